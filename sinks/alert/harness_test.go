package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// receiver is a webhook's other side: it knows messages by their idempotency
// key, and can answer otherwise.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	seen   map[string]string // body by key
	order  []*Message        // each once
	calls  int
	breach string
	answer func(call int, w http.ResponseWriter, r *http.Request) bool // true: the call is answered, and not taken
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{seen: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.calls++
	call, answer := r.calls, r.answer
	r.mu.Unlock()
	if answer != nil && answer(call, w, req) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var m Message
	key := req.Header.Get(HeaderKey)
	switch before, there := r.seen[key]; {
	case json.Unmarshal(body, &m) != nil || m.Key != key || key == "":
		r.breach = "a body that is no message of its key"
	case there && before != string(body):
		r.breach = "two bodies under key " + key
	case !there:
		r.seen[key] = string(body)
		r.order = append(r.order, &m)
	}
}

func (r *receiver) messages(t testing.TB) []*Message {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.breach != "" {
		t.Fatal(r.breach)
	}
	return append([]*Message(nil), r.order...)
}

func (r *receiver) setAnswer(f func(int, http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// webhook is a target that posts to a test's server.
func webhook(url string) Target {
	return Target{Webhook: &Webhook{URL: pipeline.Secret(url)}, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"}
}

// rig is a sink under test, with a clock and waits of its own.
type rig struct {
	*Sink
	mu  sync.Mutex
	at  time.Time
	log *strings.Builder
}

type lockedWriter struct{ r *rig }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.log.Write(p)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = r.at.Add(d)
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r := &rig{at: time.UnixMilli(1_800_000_000_000), log: &strings.Builder{}}
	bc := pipeline.BuildContext{Pipeline: "p", Name: "alerts", Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(lockedWriter{r}, nil))}
	p, err := Factory().PlanSink(bc, &cfg, pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	r.Sink = s.(*Sink)
	r.now = func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.at
	}
	r.every, r.backoff = 2*time.Millisecond, func(int) time.Duration { return 0 }
	return r
}

// opened is newRig, opened, and closed with the test.
func opened(t testing.TB, cfg Config) *rig {
	t.Helper()
	r := newRig(t, cfg)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func testConfig(t testing.TB, targets map[string]Target) Config {
	cfg := Defaults()
	cfg.Path, cfg.Fsync, cfg.GroupWait, cfg.Targets = t.TempDir(), false, 0, targets
	return cfg
}

func testKey(n int) pipeline.Key {
	return pipeline.Key{Pipeline: "p", Sink: "alerts", Span: pipeline.Span{Partition: "x", From: pipeline.Position(fmt.Sprint(n)), To: pipeline.Position(fmt.Sprint(n + 1))}}
}

type row = pipelinetest.Row

// det is a detection at a second of event time.
func det(rule, author string, second int, more ...any) row {
	r := row{
		"post_id": fmt.Sprintf("post-%s-%d", author, second), "created_at": time.Unix(1_700_000_000+int64(second), 0).UTC(),
		"author_id": author, "rule_id": rule, "rule_version": uint32(3), "severity": "high", "mode": "live", "kind": "rule",
		"owner": "team", "text": "some zorvath text",
	}
	for i := 0; i < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

// put writes rows as epoch n.
func (r *rig) put(t testing.TB, n int, rows ...row) {
	t.Helper()
	if err := r.Write(t.Context(), testKey(n), batches(t, rows...)); err != nil {
		t.Fatal(err)
	}
}

func batches(t testing.TB, rows ...row) []pipeline.Batch {
	rec := pipelinetest.Record(t, memory.DefaultAllocator, pipeline.DetectionsSchema(), rows)
	return []pipeline.Batch{{Record: rec, Stream: pipeline.Detections}}
}

// until waits for a condition.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}

// idle waits until nothing is left to deliver.
func (r *rig) idle(t testing.TB) {
	t.Helper()
	r.look(false)
	until(t, "the outbox is empty", func() bool {
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		return len(r.st.byID) == 0
	})
}

// story writes messages as lines: status, rule, count, authors.
func story(ms []*Message) string {
	var b strings.Builder
	for _, m := range ms {
		fmt.Fprintf(&b, "%s", m.Status)
		for _, p := range m.Group {
			fmt.Fprintf(&b, " %s", p.Value)
		}
		fmt.Fprintf(&b, " n=%d a=%d #%d\n", m.Count, m.Authors, m.Sequence)
	}
	return b.String()
}

func summary(counts map[string]int64) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(out, "; ")
}

func itoa(n int64) string { return fmt.Sprint(n) }

// plan1 plans a sink of a config.
func plan1(t testing.TB, cfg Config) (pipeline.SinkPlan, error) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	bc := pipeline.BuildContext{Pipeline: "p", Name: "alerts", Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}
	return Factory().PlanSink(bc, &cfg, pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil})
}

// pager is a fake of PagerDuty's Events API v2: it checks events as that does,
// and keeps an incident for each dedup_key.
type pager struct {
	*httptest.Server
	mu        sync.Mutex
	events    []string          // actions that were taken, in their order
	incidents map[string]string // state by dedup_key: triggered, acknowledged, resolved
	opened    map[string]int    // incidents made by dedup_key
	down      bool
	breach    string
}

func newPager(t testing.TB) *pager {
	p := &pager{incidents: map[string]string{}, opened: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) target() Target {
	return Target{PagerDuty: &PagerDuty{RoutingKey: "r0uting", URL: p.URL}, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"}
}

func (p *pager) serve(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Key     string `json:"routing_key"`
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload *struct{ Summary, Source, Severity string }
		Links   []struct{ Href, Text string }
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	err := json.Unmarshal(body, &e)
	p.mu.Lock()
	defer p.mu.Unlock()
	severities := []string{"critical", "error", "warning", "info"}
	switch {
	case p.down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case err != nil || e.Key != "r0uting" || e.Dedup == "" || len(e.Dedup) > 255 || len(body) > 512<<10,
		e.Action == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" || !slices.Contains(severities, e.Payload.Severity)):
		p.breach = fmt.Sprintf("an event that is invalid: %.500s", body)
		w.WriteHeader(http.StatusBadRequest)
		return
	case e.Action == "trigger":
		if s := p.incidents[e.Dedup]; s == "" || s == "resolved" {
			p.incidents[e.Dedup] = "triggered"
			p.opened[e.Dedup]++
		}
	case e.Action == "acknowledge":
		if p.incidents[e.Dedup] == "triggered" {
			p.incidents[e.Dedup] = "acknowledged"
		}
	case e.Action == "resolve":
		if p.incidents[e.Dedup] != "" {
			p.incidents[e.Dedup] = "resolved"
		}
	default:
		p.breach = "action " + e.Action
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.events = append(p.events, e.Action)
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.Dedup)
}

func (p *pager) tale() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.breach != "" {
		return p.breach
	}
	return strings.Join(p.events, " ")
}
