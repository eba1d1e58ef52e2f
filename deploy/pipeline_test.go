package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks"
	"github.com/sluicehq/sluice/sources"
)

// build validates a pipeline of deploy/rules as `sluice validate` does, with
// the environment that a deployment gives it. Where this build has no Kafka
// source, another one stands in for it.
func build(t testing.TB, file string, env map[string]string) (*config.Spec, *graph.Graph) {
	t.Helper()
	reg, err := graph.NewRegistry(sources.All(), operators.All(), sinks.All())
	if err != nil {
		t.Fatal(err)
	}
	opts := config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for name, v := range env {
		opts.Environ = append(opts.Environ, name+"="+v)
	}
	dir := filepath.Dir(file)
	if _, ok := reg.Sources["kafka"]; !ok {
		t.Log("this build has no Kafka source: its settings are not checked")
		file = withoutKafka(t, file)
	}
	spec, err := config.Load(file, opts)
	if err != nil {
		t.Fatalf("%s with %v: %v", file, env, err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, Files: graph.NewDirFiles(dir)})
	if err != nil {
		t.Fatalf("%s with %v: %v", file, env, err)
	}
	return spec, g
}

// withoutKafka returns a file that takes in file with another source.
func withoutKafka(t testing.TB, file string) string {
	t.Helper()
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("include: "+abs+"\nsource: { generate: { rows: 1 } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return other
}

// TestPipelineNeedsItsEnvironment shows that what a deployment must set is
// asked for by name.
func TestPipelineNeedsItsEnvironment(t *testing.T) {
	_, err := config.Load("rules/kafka.yaml", config.Options{Env: func(string) (string, bool) { return "", false }})
	if err == nil || !strings.Contains(err.Error(), "CLICKHOUSE_DSN") {
		t.Errorf("without an environment: %v", err)
	}
}
