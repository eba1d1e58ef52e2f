package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/pipeline"
)

// access decides who may see what. /healthz and /readyz are for everybody:
// probes have no token.
type access struct {
	token, metrics *[sha256.Size]byte // nil for none; kept as hashes, which comparing takes the same time for
	openMetrics    bool
	needCert       bool
	refused        *prometheus.CounterVec
}

func newAccess(o *Options) *access {
	a := &access{
		token: hashed(o.Token), metrics: hashed(o.MetricsToken), openMetrics: o.OpenMetrics, needCert: o.ClientCA != "",
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sluice", Name: "admin_refused_total", Help: "Requests to the admin port that lacked what they need, by what that was.",
		}, []string{"missing"}),
	}
	for _, what := range []string{"token", "certificate"} {
		a.refused.WithLabelValues(what) // so that they are there at 0
	}
	return a
}

func hashed(s pipeline.Secret) *[sha256.Size]byte {
	if s == "" {
		return nil
	}
	h := sha256.Sum256([]byte(s.Reveal()))
	return &h
}

// guard lets through to next only what may see it.
func (a *access) guard(next http.Handler, metrics bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case a.needCert && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0):
			a.refused.WithLabelValues("certificate").Inc()
			http.Error(w, "a client certificate is needed: admin.tls.client_ca says of which authorities", http.StatusForbidden)
		case !a.allows(r, metrics):
			a.refused.WithLabelValues("token").Inc()
			w.Header().Set("WWW-Authenticate", `Bearer realm="sluice admin"`)
			http.Error(w, "a token is needed: Authorization: Bearer ...", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// allows compares the request's token with all that are good for it.
func (a *access) allows(r *http.Request, metrics bool) bool {
	if a.token == nil || metrics && a.openMetrics {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	ok := subtle.ConstantTimeCompare(sum[:], a.token[:])
	if metrics && a.metrics != nil {
		ok |= subtle.ConstantTimeCompare(sum[:], a.metrics[:])
	}
	return ok == 1 && strings.EqualFold(scheme, "Bearer")
}
