package examples_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks/alert"
	store "github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sources"
)

// busy tells whether others use the machine: times would be theirs.
func busy(t *testing.T) bool {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	load, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return load > float64(runtime.NumCPU())
}

// TestTimeToAlert makes 10,000 posts a second, as old as they claim, stores them,
// and has an alert for each rule and author: from a post's creation to the alert
// at the receiver it takes 3 seconds at most for 99 of 100, of which one second is
// group_wait.
func TestTimeToAlert(t *testing.T) {
	if testing.Short() || busy(t) {
		t.Skip("takes 20 seconds of a machine that does nothing else")
	}
	reg, err := graph.NewRegistry(sources.All(), operators.All(), []pipeline.Factory{alert.Factory(), store.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var took []time.Duration
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m alert.Message
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Error(err)
		} else if m.Status == "firing" && m.Sequence == 1 {
			took = append(took, time.Since(m.FirstSeen))
		}
	}))
	defer hook.Close()
	spec, err := config.Load("alerts.yaml", config.Options{Sets: []string{
		"source.generate.rows=200000", "source.generate.rate=10000", "source.generate.event_rate=10000", "source.generate.jitter=0s",
		"source.generate.start=" + time.Now().UTC().Format(time.RFC3339Nano),
		"sinks.0.clickhouse.embedded=null", "sinks.0.clickhouse.dsn=" + startStore(t), "sinks.1.alert.path=" + t.TempDir(),
		"sinks.1.alert.by=[rule_id, author_id]", "sinks.1.alert.targets.local.webhook.url=" + hook.URL,
	}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, Files: graph.NewDirFiles(".")})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Run(t.Context(), engine.Options{Graph: g, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(took) < 1000 {
		t.Fatalf("%d alerts only", len(took))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d alerts; from post to receiver p50 %s, p99 %s, max %s", len(took), p50.Round(time.Millisecond), p99.Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if p99 > 3*time.Second {
		t.Errorf("p99 is %s", p99)
	}
}
