// Package admin serves the operator's side of a running pipeline over HTTP:
// metrics, health, readiness, what reloads have changed, and profiles.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/sluicehq/sluice/pipeline"
)

const (
	maxConnections = 64
	maxHeader      = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second // requests have no bodies
	writeTimeout   = 2 * time.Minute  // a profile may take most of it
	idleTimeout    = time.Minute
)

// Options of a server.
type Options struct {
	Listen              string // host:port; port 0 takes a free one
	Token, MetricsToken pipeline.Secret
	OpenMetrics         bool
	Cert, Key, ClientCA string // PEM files; no Cert for plain HTTP

	Collectors []prometheus.Collector
	Ready      func() bool // whether the pipeline is at work
	Reloads    func() any  // what /reloads answers, as JSON
	Log        *slog.Logger
}

// Server is a listening admin server.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan struct{}
}

// Start listens and serves until Stop. An address that is not on loopback needs
// a token and a certificate: the config has checked that, and it is checked
// again here, since what is at stake is who may look in.
func Start(o Options) (*Server, error) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %q is not host:port: %w", o.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && (o.Token == "" || o.Cert == "") {
		return nil, fmt.Errorf("admin.listen: %q is not on loopback, which needs admin.token and admin.tls: set them, or listen on 127.0.0.1", o.Listen)
	}
	var certs *certificates
	if o.Cert != "" {
		if certs, err = newCertificates(o.Cert, o.Key, o.ClientCA, o.Log); err != nil {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w: choose another address, or off", err)
	}
	acc := newAccess(&o)
	reg := prometheus.NewRegistry()
	reg.MustRegister(o.Collectors...)
	reg.MustRegister(acc.refused, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &Server{
		http: &http.Server{
			Handler: handler(reg, acc, &o), MaxHeaderBytes: maxHeader,
			ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
			ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		},
		addr: l.Addr(), done: make(chan struct{}),
	}
	if certs != nil {
		s.http.TLSConfig = certs.server()
	}
	go s.serve(netutil.LimitListener(l, maxConnections), o.Log)
	return s, nil
}

func (s *Server) serve(l net.Listener, log *slog.Logger) {
	defer close(s.done)
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		log.Error("admin server ended", "error", err)
	}
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.addr.String() }

// Stop ends the server and waits for it.
func (s *Server) Stop(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}

func handler(reg *prometheus.Registry, acc *access, o *Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !o.Ready() {
			http.Error(w, "the source or a sink is not open", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", acc.guard(promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4}), true))
	guarded := func(pattern string, f http.HandlerFunc) { mux.Handle(pattern, acc.guard(f, false)) }
	if o.Reloads != nil {
		guarded("GET /reloads", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			if err := enc.Encode(o.Reloads()); err != nil {
				o.Log.Debug("admin: /reloads was not sent", "error", err)
			}
		})
	}
	guarded("GET /debug/pprof/", pprof.Index)
	guarded("GET /debug/pprof/profile", pprof.Profile)
	guarded("GET /debug/pprof/symbol", pprof.Symbol)
	guarded("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
