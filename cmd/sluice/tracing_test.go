package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

const tracedPipeline = `pipeline: demo
source: { generate: { rows: 20000, seed: 7 } }
steps: [normalize, tokenize]
sinks: [discard]
engine: { epoch: { rows: 5000 } }
admin: { listen: "off" }
`

// TestTracing runs the program with a collector: each epoch arrives as one
// trace, though the run ends at once after the last; without the key enabled
// none does.
func TestTracing(t *testing.T) {
	var mu sync.Mutex
	roots, posts, names := 0, int64(0), map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		data, err := io.ReadAll(q.Body)
		msg := &collector.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(data, msg)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil || q.URL.Path != "/v1/traces" || q.Header.Get("Authorization") != "Bearer of-the-collector" {
			t.Errorf("%s %v: %v", q.URL, q.Header, err)
		}
		for _, rs := range msg.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					names[s.Name] = true
					if len(s.ParentSpanId) > 0 {
						continue
					}
					roots++
					for _, a := range s.Attributes {
						if a.Key == "sluice.rows.posts" {
							posts += a.Value.GetIntValue()
						}
					}
				}
			}
		}
	}))
	defer srv.Close()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("of-the-collector"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name, more string) string {
		path := filepath.Join(dir, name, "p.yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tracedPipeline+more), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		cmd := sluice(t, "run", path, "--quiet")
		cmd.Stderr = &log
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+srv.URL)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		return log.String()
	}
	run("off", "")
	if roots > 0 {
		t.Errorf("%d traces that nobody asked for", roots)
	}
	log := run("on", "tracing: { enabled: true, headers: { Authorization: \"Bearer ${file:"+token+"}\" } }\n")
	if roots < 4 || posts != 20000 || strings.Contains(log, "of-the-collector") {
		t.Errorf("%d traces of %d posts; the log is %s", roots, posts, log)
	}
	for _, name := range []string{"read", "chunk", "decode", "step normalize", "step tokenize", "gather", "intent", "write discard", "checkpoint", "commit source"} {
		if !names[name] {
			t.Errorf("no span %q among %v", name, names)
		}
	}
	before := roots
	srv.Close() // a collector that is gone changes nothing
	if log := run("gone", "tracing: { enabled: true, ratio: 0.5 }\n"); roots != before {
		t.Errorf("%d traces arrived: %s", roots-before, log)
	}
}
