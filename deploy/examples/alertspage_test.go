package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks/alert"
	store "github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sources"
)

var sinksBlock = regexp.MustCompile("(?s)```yaml\n(sinks:\n.*?)\n```")

// TestAlertsPage builds a pipeline around each example of docs/alerts.md.
func TestAlertsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CLICKHOUSE_DSN", "SLACK_WEBHOOK_URL", "SLACK_CT", "PAGERDUTY_ROUTING_KEY", "SMTP_PASSWORD", "HOOK_SECRET"} {
		t.Setenv(name, "https://hooks.example.org/x")
	}
	blocks := sinksBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 6 {
		t.Errorf("%d examples, want 6", len(blocks))
	}
	reg, err := graph.NewRegistry(sources.All(), operators.All(), []pipeline.Factory{alert.Factory(), store.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte("- id: a\n  when: text == 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	build := func(sinks string) error {
		text := "pipeline: p\nsource: {generate: {rows: 1}}\nsteps:\n  - rules: {files: [\"r.yaml\"]}\n" + sinks + "\n"
		spec, err := config.Parse("alerts.yaml", []byte(text), config.Options{})
		if err != nil {
			return err
		}
		_, err = graph.Build(spec, graph.Options{Registry: reg, Files: graph.NewDirFiles(dir)})
		return err
	}
	for _, b := range blocks {
		if err := build(b[1]); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
	// What is wrong is told with its place.
	routes := blocks[1][1]
	for old, c := range map[string][2]string{
		"severity = critical": {"severity = crit", "alerts.yaml:14:19: sinks.0.alert.routes.0.match.0: \"severity = crit\": severity \"crit\": write one of info"},
		"targets: [ct_team]":  {"targets: [ct_taem]", "no target \"ct_taem\": write one of ct_team, on_call, spam_box"},
		"      default: [ct_team]                       # of what no route takes; [] for nobody": {"", "default: missing"},
		"throttle: 6h": {"throttel: 6h", "throttle"},
	} {
		text := strings.Replace(routes, old, c[0], 1)
		if err := build(text); text == routes || err == nil || !strings.Contains(fmt.Sprint(err), c[1]) {
			t.Errorf("%q: %v, want %q", c[0], err, c[1])
		}
	}
}
