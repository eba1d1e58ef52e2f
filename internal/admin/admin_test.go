package admin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/admin"
)

var quiet = slog.New(slog.DiscardHandler)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func TestEndpoints(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_test_total"})
	c.Add(3)
	ready := false
	s, err := admin.Start(admin.Options{
		Listen: "127.0.0.1:0", Collectors: []prometheus.Collector{c}, Ready: func() bool { return ready },
		Reloads: func() any { return map[string]int{"n": 7} }, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	base := "http://" + s.Addr()
	if code, body := get(t, base+"/metrics"); code != 200 || !strings.Contains(body, "sluice_test_total 3") {
		t.Errorf("/metrics: %d %s", code, body)
	}
	if code, _ := get(t, base+"/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
	if code, _ := get(t, base+"/readyz"); code != 503 {
		t.Errorf("/readyz while not ready: %d", code)
	}
	ready = true
	if code, _ := get(t, base+"/readyz"); code != 200 {
		t.Errorf("/readyz: %d", code)
	}
	if code, body := get(t, base+"/reloads"); code != 200 || !strings.Contains(body, `"n": 7`) {
		t.Errorf("/reloads: %d %s", code, body)
	}
	for path, want := range map[string]int{"/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/cmdline": 404, "/": 404, "/metrics/../debug/pprof/heap": 200} {
		if code, _ := get(t, base+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	_, err = admin.Start(admin.Options{Listen: s.Addr(), Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a port in use: %v", err)
	}
	for addr, want := range map[string]string{"0.0.0.0:1": "not on loopback", ":1": "not on loopback", "[::]:1": "not on loopback", "example.test:1": "not on loopback", "9187": "not host:port"} {
		for _, o := range []admin.Options{{}, {Token: "a-token-of-some-length"}, {Cert: "x", Key: "y"}} {
			o.Listen, o.Log = addr, quiet
			if _, err := admin.Start(o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", addr, err)
			}
		}
	}
}

// TestLimits: a request with large headers, or one that does not come to an
// end, does not stay.
func TestLimits(t *testing.T) {
	s, err := admin.Start(admin.Options{Listen: "127.0.0.1:0", Ready: func() bool { return true }, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	answer := func(request string) string {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, request)
		b, err := io.ReadAll(c)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.40q is held open", request)
		}
		return string(b)
	}
	if a := answer("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 64<<10) + "\r\n\r\n"); !strings.Contains(a, "431") {
		t.Errorf("large headers: %.200s", a)
	}
	if !testing.Short() {
		if a := answer("GET /healthz HTTP/1.1\r\nHost: x\r\nX: "); strings.Contains(a, "200") {
			t.Errorf("half a request: %.200s", a)
		}
	}
}
