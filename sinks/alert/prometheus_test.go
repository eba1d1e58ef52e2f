package alert

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// startPrometheus runs the real program: it reads metrics, and tells an
// Alertmanager of rules.
func startPrometheus(t *testing.T, metrics, alertmanager, rules string) (address string) {
	t.Helper()
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no Prometheus here: install the Debian package prometheus to run this test")
	}
	dir := t.TempDir()
	host := func(s string) string { return strings.TrimPrefix(s, "http://") }
	config := fmt.Sprintf("global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}\n"+
		"rule_files: [rules.yaml]\nalerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n"+
		"scrape_configs: [{job_name: sluice, static_configs: [{targets: [%q]}]}]\n", host(alertmanager), host(metrics))
	for name, text := range map[string]string{"prometheus.yaml": config, "rules.yaml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	cmd := exec.Command(bin, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return "http://" + address
}

// TestRealPrometheus: messages that cannot be delivered are seen in the sink's
// metrics by Prometheus, which tells Alertmanager by the rule that docs/alerts.md
// gives, beside the sink's own alert about its dead letters.
func TestRealPrometheus(t *testing.T) {
	am := startAlertmanager(t)
	defer http.DefaultClient.CloseIdleConnections()
	bad := newReceiver(t)
	bad.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(400); return true }
	cfg := testConfig(t, map[string]Target{"bad": webhook(bad.URL), "am": amTarget(am)})
	cfg.Default = &[]string{"bad"}
	cfg.DeadLetters = &DeadLetters{Targets: []string{"am"}}
	cfg.DeadLetters.SetDefaults()
	cfg.Heartbeat = &Heartbeat{Targets: []string{"am"}}
	cfg.Heartbeat.SetDefaults()
	r := newRig(t, cfg)
	r.at = time.Now() // Alertmanager goes by the clock
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.Sink)
	metrics := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	t.Cleanup(metrics.Close)
	prom := startPrometheus(t, metrics.URL, am, "groups: [{name: sluice, rules: ["+documentedRule(t)+"]}]\n")
	sample := func(query string) string {
		resp, err := http.Get(prom + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		var answer struct {
			Data struct{ Result []struct{ Value []any } }
		}
		if json.NewDecoder(resp.Body).Decode(&answer) != nil || len(answer.Data.Result) == 0 {
			return ""
		}
		return fmt.Sprint(answer.Data.Result[0].Value[1])
	}
	until(t, "Prometheus has the metrics", func() bool { return sample(`sluice_alert_deliveries_total{target="bad",result="dead"}`) == "0" })
	r.put(t, 1, det("r1", "ann", 0))
	r.idleWithDead(t)
	until(t, "the sink's own alert is there", func() bool { r.look(false); return amNames(t, am)["SluiceDeadLetters"] == 1 })
	until(t, "Prometheus sees the dead letter", func() bool { return sample(`sluice_alert_deliveries_total{target="bad",result="dead"}`) == "1" })
	until(t, "Prometheus' alert is there", func() bool { return amNames(t, am)["SluiceAlertsNotDelivered"] >= 1 })
	if names := amNames(t, am); names["SluiceHeartbeat"] != 1 {
		t.Errorf("alerts %v", names)
	}
}

// documentedRule is the rule that docs/alerts.md gives, as flow YAML of one line.
func documentedRule(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr: "); ok {
			return fmt.Sprintf("{alert: SluiceAlertsNotDelivered, expr: %q}", expr)
		}
	}
	t.Fatal("docs/alerts.md has no rule")
	return ""
}
