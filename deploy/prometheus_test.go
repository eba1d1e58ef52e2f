package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// exported returns the labels of each series that the engine's metrics have.
// Prometheus adds job and instance.
func exported() map[string][]string {
	ch := make(chan *prometheus.Desc)
	go func() {
		defer close(ch)
		engine.NewMetrics().Describe(ch)
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
	return out
}

// TestPrometheusRules: every series and label in an expression is one that
// Sluice has, brackets pair, and an alert says what to do.
func TestPrometheusRules(t *testing.T) {
	series := exported()
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
				if !slices.Contains([]string{"instance", "sink", "unit", "target"}, l[1]) || !strings.Contains(r.Expr, l[1]) && strings.Contains(r.Expr, "by (") {
					t.Errorf("%s: the label %s is not left by %s", r.Alert, l[1], r.Expr)
				}
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err != nil {
		t.Log("promtool is not there: expressions are checked for names, labels and brackets alone")
	} else if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "prometheus/sluice.rules.yaml").CombinedOutput(); err != nil {
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

// TestCheckPromQL makes sure that the check finds faults.
func TestCheckPromQL(t *testing.T) {
	series := exported()
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

// TestPrometheusConfig holds the scrape config and Alertmanager's to the
// services of the compose file.
func TestPrometheusConfig(t *testing.T) {
	type static struct {
		Configs []struct{ Targets []string } `yaml:"static_configs"`
		Job     string                       `yaml:"job_name"`
	}
	p := one[struct {
		Global    map[string]time.Duration
		RuleFiles []string `yaml:"rule_files"`
		Alerting  struct{ Alertmanagers []static }
		Scrape    []static `yaml:"scrape_configs"`
	}](t, "prometheus/prometheus.yaml")
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
