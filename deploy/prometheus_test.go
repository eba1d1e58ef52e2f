package deploy_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/internal/admin"
	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/internal/tracing"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/sinks/alert"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         time.Duration
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

var (
	// A Desc prints as Desc{fqName: "a", help: "b", ..., variableLabels: {c,d}}.
	descForm   = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	selectorOf = regexp.MustCompile(`\b(sluice_\w+|up)(?:\{([^}]*)\})?`)
	matcherOf  = regexp.MustCompile(`(\w+)\s*(?:=|!=|=~|!~)\s*"[^"]*"`)
	groupingOf = regexp.MustCompile(`\b(?:by|on|without|ignoring)\s*\(([^)]*)\)`)
	labelUse   = regexp.MustCompile(`\$labels\.(\w+)`)
)

// exported returns the labels of each series that the engine's metrics have, and
// those that the admin port and the tracer add. Prometheus adds job and instance.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	tracer, err := tracing.Start(t.Context(), tracing.Options{Ratio: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Stop(context.Background())
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		engine.NewMetrics().Describe(ch)
		kafka.NewStats("", nil).Describe(ch)
		(&alert.Sink{}).Describe(ch)
	}()
	out := map[string][]string{"up": {"job", "instance"}}
	for d := range ch {
		m := descForm.FindStringSubmatch(d.String())
		labels := append(strings.Split(strings.ReplaceAll(m[2], " ", ""), ","), "job", "instance")
		out[m[1]] = labels
		// What a histogram has beside its name.
		out[m[1]+"_bucket"] = append(slices.Clone(labels), "le")
	}
	for _, m := range sampleForm.FindAllStringSubmatch(scraped(t, tracer), -1) {
		out[m[1]] = []string{"job", "instance"}
		for _, l := range matcherOf.FindAllStringSubmatch(m[2], -1) {
			out[m[1]] = append(out[m[1]], l[1])
		}
	}
	return out
}

// sampleForm is a sample with labels of the admin port or the tracer.
var sampleForm = regexp.MustCompile(`(?m)^(sluice_(?:admin|traces)_\w+)\{([^}]*)\}`)

// scraped returns /metrics of an admin port with one more collector.
func scraped(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	s, err := admin.Start(admin.Options{Listen: "127.0.0.1:0", Collectors: []prometheus.Collector{c}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestPrometheusRules: every series and label in an expression is one that
// Sluice has, brackets pair, and an alert says what to do.
func TestPrometheusRules(t *testing.T) {
	series := exported(t)
	if len(series) < 20 {
		t.Fatalf("only %d series: %v", len(series), series)
	}
	page, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range one[ruleFile](t, "prometheus/sluice.rules.yaml").Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Sluice") {
				t.Errorf("alert %q: its name is taken or is not ours", r.Alert)
			}
			seen[r.Alert] = true
			if !strings.Contains(string(page), "`"+r.Alert+"`") {
				t.Errorf("docs/deploy.md does not tell of %s", r.Alert)
			}
			if r.For < time.Minute || !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: for %s, labels %v, annotations %v", r.Alert, r.For, r.Labels, r.Annotations)
			}
			for _, fault := range checkPromQL(r.Expr, series) {
				t.Errorf("%s: %s in %s", r.Alert, fault, r.Expr)
			}
			for _, l := range labelUse.FindAllStringSubmatch(r.Annotations["description"]+r.Annotations["summary"], -1) {
				if !slices.Contains([]string{"instance", "sink", "unit", "topic", "partition", "target"}, l[1]) || !strings.Contains(r.Expr, l[1]) && strings.Contains(r.Expr, "by (") {
					t.Errorf("%s: the label %s is not left by %s", r.Alert, l[1], r.Expr)
				}
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err != nil {
		t.Log("promtool is not there: expressions are checked for names, labels and brackets alone")
	} else if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "prometheus/sluice.rules.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	} else if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", "prometheus/sluice.rules.test.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	} else if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yaml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// checkPromQL returns what is wrong with an expression, as far as that can be
// told without Prometheus' parser.
func checkPromQL(expr string, series map[string][]string) (faults []string) {
	var open []rune
	for _, c := range expr {
		switch c {
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']', '}':
			if pair := map[rune]rune{')': '(', ']': '[', '}': '{'}; len(open) == 0 || open[len(open)-1] != pair[c] {
				return append(faults, "a bracket without its pair")
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		faults = append(faults, "a bracket without its pair")
	}
	var have []string
	found := selectorOf.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		faults = append(faults, "no series")
	}
	for _, m := range found {
		labels, ok := series[m[1]]
		if !ok {
			faults = append(faults, "no series "+m[1])
			continue
		}
		have = append(have, labels...)
		for _, l := range matcherOf.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				faults = append(faults, m[1]+" has no label "+l[1])
			}
		}
	}
	for _, m := range groupingOf.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(have, l) {
				faults = append(faults, "no series has the label "+l)
			}
		}
	}
	return faults
}

// TestKafkaDashboard: every series and label in a query of the dashboard is one
// that Sluice has, panels do not overlap, and the source of data is Prometheus.
func TestKafkaDashboard(t *testing.T) {
	data, err := os.ReadFile("grafana/dashboards/kafka.json")
	if err != nil {
		t.Fatal(err)
	}
	type source struct{ Type, UID string }
	var d struct {
		UID    string
		Panels []struct {
			ID                 int
			Title, Description string
			Datasource         source
			GridPos            struct{ X, Y, W, H int }
			Targets            []struct {
				Datasource         source
				Expr, LegendFormat string
			}
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	from := one[struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ Name, UID, Type, Access, URL string }
	}](t, "grafana/provisioning/datasources/prometheus.yaml").Datasources[0]
	if host, ok := strings.CutPrefix(from.URL, "http://prometheus:"); !ok || host != "9090" || d.UID == "" || len(d.Panels) < 5 {
		t.Errorf("the source %+v is not the compose file's service, or the dashboard %q has too few panels", from, d.UID)
	}
	series, taken := exported(t), map[[2]int]int{}
	legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d lacks title, description or query, or is off the grid", p.ID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			if other := taken[[2]int{x, p.GridPos.Y}]; other != 0 {
				t.Errorf("panels %d and %d overlap", other, p.ID)
				break
			}
			taken[[2]int{x, p.GridPos.Y}] = p.ID
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != from.UID || q.Datasource.Type != from.Type {
				t.Errorf("panel %q asks %+v", p.Title, q.Datasource)
			}
			for _, fault := range checkPromQL(q.Expr, series) {
				t.Errorf("panel %q: %s in %s", p.Title, fault, q.Expr)
			}
			for _, l := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
				if !strings.Contains(q.Expr, l[1]) {
					t.Errorf("panel %q: the label %s is not left by %s", p.Title, l[1], q.Expr)
				}
			}
		}
	}
}

// TestCheckPromQL makes sure that the check finds faults.
func TestCheckPromQL(t *testing.T) {
	series := exported(t)
	for expr, want := range map[string]string{
		`rate(sluice_epochs_total[5m]) > 0`:            "",
		`rate(sluice_epoch_total[5m]) > 0`:             "no series sluice_epoch_total",
		`sluice_sink_rows_total{strem="posts"} > 0`:    "sluice_sink_rows_total has no label strem",
		`sum by (sinc) (sluice_sink_rows_total) > 0`:   "no series has the label sinc",
		`sum by (sink) (rate(sluice_sink_rows_total])`: "a bracket without its pair",
		`vector(1)`: "no series",
	} {
		if got := strings.Join(checkPromQL(expr, series), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// prometheusFile is what we use of Prometheus' config.
type prometheusFile struct {
	Global    map[string]time.Duration
	RuleFiles []string `yaml:"rule_files"`
	Alerting  struct{ Alertmanagers []scrape }
	Scrape    []scrape `yaml:"scrape_configs"`
}

type scrape struct {
	Configs       []struct{ Targets []string } `yaml:"static_configs"`
	Job           string                       `yaml:"job_name"`
	Scheme        string
	Authorization struct {
		Type            string
		CredentialsFile string `yaml:"credentials_file"`
	}
	TLS struct {
		CA         string `yaml:"ca_file"`
		ServerName string `yaml:"server_name"`
	} `yaml:"tls_config"`
}

// TestPrometheusConfig holds the scrape config and Alertmanager's to the
// services of the compose file.
func TestPrometheusConfig(t *testing.T) {
	p := one[prometheusFile](t, "prometheus/prometheus.yaml")
	c := one[composeFile](t, "compose/compose.yaml")
	for _, s := range append(p.Scrape, p.Alerting.Alertmanagers...) {
		host, _, _ := strings.Cut(s.Configs[0].Targets[0], ":")
		if _, ok := c.Services[host]; !ok {
			t.Errorf("no service %s", host)
		}
	}
	if p.Scrape[0].Job != "sluice" || p.Scrape[0].Configs[0].Targets[0] != "sluice:9187" || !slices.Equal(p.RuleFiles, []string{"sluice.rules.yaml"}) {
		t.Errorf("scrape %+v, rules %v: the alerts ask for job sluice", p.Scrape, p.RuleFiles)
	}
	a := one[struct {
		Route struct {
			Receiver string
			GroupBy  []string      `yaml:"group_by"`
			Wait     time.Duration `yaml:"group_wait"`
			Interval time.Duration `yaml:"group_interval"`
			Repeat   time.Duration `yaml:"repeat_interval"`
		}
		Receivers []struct{ Name string }
		Inhibit   []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
			Equal  []string
		} `yaml:"inhibit_rules"`
	}](t, "prometheus/alertmanager.yaml")
	if a.Route.Receiver != a.Receivers[0].Name || a.Route.Repeat <= a.Route.Interval {
		t.Errorf("route %+v, receivers %v", a.Route, a.Receivers)
	}
}
