package admin_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/admin"
)

const (
	adminToken   = "the-token-of-the-operator"
	metricsToken = "the-token-of-prometheus-x"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	n    int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, cert: cert, key: key, n: 1, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue returns a certificate and its key in PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func put(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// client is one that trusts an authority and may have a certificate.
func client(t *testing.T, conf *tls.Config) *http.Client {
	tr := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// ask sends a request with an Authorization header and returns the status, 0
// when the connection failed, and the name in the server's certificate.
func ask(t *testing.T, c *http.Client, url, auth string) (status int, server string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	r, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	if r.StatusCode == http.StatusUnauthorized && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("%s: a 401 without WWW-Authenticate", url)
	}
	if r.TLS != nil {
		server = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	return r.StatusCode, server
}

// log is a buffer that another goroutine writes to.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestTokens asks each page with each token.
func TestTokens(t *testing.T) {
	defer goleak.VerifyNone(t)
	all := []string{"/metrics", "/reloads", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/symbol", "/debug/pprof/trace", "/healthz", "/readyz"}
	for _, open := range []bool{false, true} {
		var l log
		s, err := admin.Start(admin.Options{
			Listen: "127.0.0.1:0", Token: adminToken, MetricsToken: metricsToken, OpenMetrics: open,
			Ready: func() bool { return true }, Reloads: func() any { return nil },
			Log: slog.New(slog.NewTextHandler(&l, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, nil)
		for _, path := range all {
			probe, metrics := strings.HasSuffix(path, "z"), path == "/metrics"
			for auth, good := range map[string]bool{
				"": probe || metrics && open, "Bearer ": probe || metrics && open, "Bearer wrong": probe || metrics && open,
				"Basic " + adminToken: probe || metrics && open, adminToken: probe || metrics && open, "Bearer " + adminToken[:20]: probe || metrics && open,
				"Bearer " + metricsToken: probe || metrics, "Bearer " + adminToken: true, "bearer  " + adminToken: true,
			} {
				url := "http://" + s.Addr() + path
				if strings.HasSuffix(path, "profile") || strings.HasSuffix(path, "trace") {
					url += "?seconds=1"
					if good { // takes its time
						continue
					}
				}
				want := http.StatusUnauthorized
				if good {
					want = http.StatusOK
				}
				if code, _ := ask(t, c, url, auth); code != want {
					t.Errorf("%s with %q: %d, want %d (open metrics: %t)", path, auth, code, want, open)
				}
			}
		}
		s.Stop(context.Background())
		if text := l.String(); strings.Contains(text, adminToken) || strings.Contains(text, metricsToken) {
			t.Errorf("the log has a token: %s", text)
		}
	}
}

// TestTLS: HTTPS with a certificate that is replaced while it runs, also by
// ones that can not be used.
func TestTLS(t *testing.T) {
	defer goleak.VerifyNone(t)
	ca, dir := newAuthority(t, "us"), t.TempDir()
	cert, key := ca.issue("first")
	put(t, dir, map[string][]byte{"crt": cert, "key": key})
	var l log
	s, err := admin.Start(admin.Options{
		Listen: "127.0.0.1:0", Token: adminToken, Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"),
		Ready: func() bool { return true }, Log: slog.New(slog.NewTextHandler(&l, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	url := "https://" + s.Addr() + "/metrics"
	good := client(t, &tls.Config{RootCAs: ca.pool()})
	asks := func(name string) bool {
		code, server := ask(t, good, url, "Bearer "+adminToken)
		return code == 200 && server == name
	}
	if !asks("first") {
		t.Fatal("no answer by HTTPS")
	}
	if code, _ := ask(t, good, url, ""); code != 401 {
		t.Errorf("%d without a token", code)
	}
	if code, why := ask(t, client(t, &tls.Config{RootCAs: ca.pool(), MaxVersion: tls.VersionTLS11}), url, "Bearer "+adminToken); code != 0 {
		t.Errorf("%d %s by TLS 1.1", code, why)
	}
	if code, _ := ask(t, client(t, nil), "http://"+s.Addr()+"/metrics", "Bearer "+adminToken); code == 200 {
		t.Error("an answer by plain HTTP")
	}
	until := func(what string, f func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not within 20 s: %s; the log is %s", what, l.String())
			}
		}
	}
	other, _ := ca.issue("other") // its key is not the file's
	put(t, dir, map[string][]byte{"crt": other})
	until("the fault is told", func() bool {
		if !asks("first") {
			t.Error("the certificate before is not in use")
		}
		return strings.Contains(l.String(), "can not be used")
	})
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if !asks("first") {
		t.Error("the certificate before is not in use")
	}
	cert, key = ca.issue("second")
	put(t, dir, map[string][]byte{"crt": cert, "key": key})
	until("the new certificate is in use", func() bool { return asks("second") })
}

// TestClientCA: all but probes need a certificate of the right authority.
func TestClientCA(t *testing.T) {
	ca, clients, strangers, dir := newAuthority(t, "us"), newAuthority(t, "clients"), newAuthority(t, "strangers"), t.TempDir()
	cert, key := ca.issue("server")
	put(t, dir, map[string][]byte{"crt": cert, "key": key, "ca": clients.pem})
	o := admin.Options{
		Listen: "127.0.0.1:0", Token: adminToken, Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(dir, "ca"),
		Ready: func() bool { return true }, Log: quiet,
	}
	s, err := admin.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	with := func(a *authority) *http.Client {
		conf := &tls.Config{RootCAs: ca.pool()}
		if a != nil {
			c, k := a.issue("client")
			pair, err := tls.X509KeyPair(c, k)
			if err != nil {
				t.Fatal(err)
			}
			// Sent whatever authorities the server names.
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		return client(t, conf)
	}
	for _, c := range []struct {
		path, token string
		of          *authority
		want        int
	}{
		{"/metrics", adminToken, clients, 200},
		{"/metrics", "wrong", clients, 401},
		{"/metrics", adminToken, nil, 403},
		{"/metrics", adminToken, strangers, 0},
		{"/healthz", "", nil, 200},
	} {
		if code, why := ask(t, with(c.of), "https://"+s.Addr()+c.path, "Bearer "+c.token); code != c.want {
			t.Errorf("%+v: %d %s", c, code, why)
		}
	}
	for file, want := range map[string]string{"crt": "admin.tls.cert", "key": "admin.tls.key", "ca": "admin.tls.client_ca"} {
		held, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, map[string][]byte{file: []byte("no PEM")})
		if _, err := admin.Start(o); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(strings.TrimSuffix(want, ".cert"), ".key")) {
			t.Errorf("%s is no PEM: %v", file, err)
		}
		os.Remove(filepath.Join(dir, file))
		if _, err := admin.Start(o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%s is gone: %v", file, err)
		}
		put(t, dir, map[string][]byte{file: held})
	}
}
