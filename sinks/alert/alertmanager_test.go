package alert

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// startAlertmanager runs the real program, of the Debian package
// prometheus-alertmanager or of that name without the prefix.
func startAlertmanager(t *testing.T) (url string) {
	t.Helper()
	bin, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if bin, err = exec.LookPath("alertmanager"); err != nil {
			t.Skip("no Alertmanager here: install the Debian package prometheus-alertmanager to run this test")
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(bin, "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	until(t, "Alertmanager is ready", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return "http://" + addr
}

func amTarget(url string) Target {
	return Target{Alertmanager: &Alertmanager{URL: pipeline.Secret(url)}, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"}
}

// amActive returns the alerts that Alertmanager has as active.
func amActive(t *testing.T, url string) (alerts []amAlert) {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts?active=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	return alerts
}

// amNames counts them by name.
func amNames(t *testing.T, url string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, a := range amActive(t, url) {
		out[a.Labels["alertname"]]++
	}
	return out
}

// TestRealAlertmanager: 10,000 detections in 50 groups are 50 alerts there, and
// none at the end; a hostile post among them is shown as it was made harmless.
func TestRealAlertmanager(t *testing.T) {
	url := startAlertmanager(t)
	defer http.DefaultClient.CloseIdleConnections()
	active := func() []amAlert { return amActive(t, url) }
	cfg := testConfig(t, map[string]Target{"am": amTarget(url)})
	cfg.By = []string{"rule_id", "labels"}
	cfg.GroupInterval, cfg.ResolveAfter = time.Second, 100*time.Second
	r := newRig(t, cfg)
	r.at = time.Now() // Alertmanager goes by the clock
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		var rows []row
		for i := range 1000 {
			rows = append(rows, det(fmt.Sprintf("r%d", i%50), fmt.Sprint("a", i), n, "text", hostile, "labels", []string{hostile}))
		}
		r.put(t, n, rows...)
	}
	r.idle(t)
	until(t, "fifty alerts", func() bool { return len(active()) == 50 })
	for _, a := range active() {
		if a.Labels["severity"] != "high" || a.Labels["rule_id"] != a.Labels["alertname"] || a.Annotations["sql"] == "" {
			t.Fatalf("got %+v", a)
		}
	}
	// Everything is quiet, and the message says that it ended now.
	r.Sink.mu.Lock()
	for _, a := range r.st.alerts {
		a.TouchedAt -= cfg.ResolveAfter.Milliseconds()
	}
	r.Sink.mu.Unlock()
	r.idle(t)
	until(t, "all are resolved", func() bool { return len(active()) == 0 })
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.targets[0].sent != 100 || r.targets[0].dead != 0 {
		t.Errorf("%d sent, %d dead", r.targets[0].sent, r.targets[0].dead)
	}
}
