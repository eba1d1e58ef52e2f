package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// epoch is a trace of an epoch with one chunk that went through one step, and
// two attempts to write it.
func epoch(begin time.Time) *pipeline.Trace {
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	return &pipeline.Trace{
		Pipeline: "demo", Key: pipeline.Span{Partition: "posts/0", From: "10", To: "20"}, Manifest: "abc", Generation: 2,
		Begin: begin, End: at(50), Records: 10, Bytes: 1000, Posts: 9, Detections: 2, Rejected: 1, Durable: true,
		Parts: []pipeline.TracePart{
			{Kind: pipeline.PartRead, Parent: -1, Begin: at(0), End: at(1), Records: 10, Bytes: 1000},
			{Kind: pipeline.PartChunk, Parent: -1, Begin: at(1), End: at(20), Records: 10, Bytes: 1000},
			{Kind: pipeline.PartDecode, Parent: 1, Begin: at(2), End: at(8), Busy: 6 * time.Millisecond, Rows: pipeline.TraceRows{Out: 9, Rejected: 1}},
			{Kind: pipeline.PartStep, Name: "match", Parent: 1, Begin: at(8), End: at(20), Busy: 12 * time.Millisecond, Rows: pipeline.TraceRows{In: 9, Out: 9, Detections: 2}},
			{Kind: pipeline.PartGather, Parent: -1, Begin: at(20), End: at(21)},
			{Kind: pipeline.PartSink, Name: "clickhouse", Parent: -1, Begin: at(21), End: at(30), Rows: pipeline.TraceRows{In: 12}, Err: pipeline.Retryable(errors.New("busy"))},
			{Kind: pipeline.PartSink, Name: "clickhouse", Parent: -1, Begin: at(35), End: at(45), Rows: pipeline.TraceRows{In: 12}},
			{Kind: pipeline.PartCheckpoint, Parent: -1, Begin: at(45), End: at(46)},
		},
	}
}

func stop(t *testing.T, x *Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	x.Stop(ctx)
}

// TestSpans looks at the spans of one epoch in memory.
func TestSpans(t *testing.T) {
	mem := &kept{InMemoryExporter: tracetest.NewInMemoryExporter()}
	x, err := newTracer(t.Context(), mem, Options{Ratio: 1, Version: "v1"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Unix(1_700_000_000, 0)
	e := epoch(begin)
	x.Begin(begin)(e)
	stop(t, x)
	spans := mem.spans
	var root tracetest.SpanStub
	byName := map[string]tracetest.SpanStub{}
	for _, s := range spans {
		byName[s.Name] = s
		if s.Name == "epoch" {
			root = s
		}
	}
	if len(spans) != len(e.Parts)+1 || root.Parent.IsValid() || !root.StartTime.Equal(e.Begin) || !root.EndTime.Equal(e.End) || root.Status.Code != codes.Unset {
		t.Fatalf("%d spans, root %+v", len(spans), root)
	}
	for name, want := range map[string]string{
		"epoch":            "sluice.pipeline=demo sluice.partition=posts/0 sluice.epoch.from=10 sluice.epoch.to=20 sluice.manifest=abc sluice.generation=2 sluice.records=10 sluice.bytes=1000 sluice.rows.posts=9 sluice.rows.detections=2 sluice.rows.rejected=1 sluice.durable=true",
		"read":             "sluice.records=10 sluice.bytes=1000",
		"chunk":            "sluice.records=10 sluice.bytes=1000",
		"decode":           "sluice.busy_seconds=0.006 sluice.rows.out=9 sluice.rows.rejected=1",
		"step match":       "sluice.busy_seconds=0.012 sluice.step=match sluice.rows.in=9 sluice.rows.out=9 sluice.rows.detections=2 sluice.rows.rejected=0",
		"write clickhouse": "sluice.sink=clickhouse sluice.rows.in=12",
		"gather":           "", "checkpoint": "",
	} {
		s := byName[name]
		var got []string
		for _, a := range s.Attributes {
			got = append(got, string(a.Key)+"="+a.Value.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
		parent := root.SpanContext.SpanID()
		if name == "decode" || name == "step match" {
			parent = byName["chunk"].SpanContext.SpanID()
		}
		if name != "epoch" && (s.Parent.SpanID() != parent || s.SpanContext.TraceID() != root.SpanContext.TraceID()) {
			t.Errorf("%s is a child of %s, want %s", name, s.Parent.SpanID(), parent)
		}
	}
	failedWrites := 0
	for _, s := range spans {
		if s.Status.Code == codes.Error {
			failedWrites++
			if s.Name != "write clickhouse" || s.Status.Description != "busy" || len(s.Events) != 1 || s.Events[0].Name != "exception" {
				t.Errorf("%+v", s)
			}
		}
	}
	if failedWrites != 1 {
		t.Errorf("%d spans with an error", failedWrites)
	}
}

// kept keeps spans beyond the exporter's shutdown.
type kept struct {
	*tracetest.InMemoryExporter
	spans tracetest.SpanStubs
}

func (k *kept) Shutdown(ctx context.Context) error {
	k.spans = k.GetSpans()
	return k.InMemoryExporter.Shutdown(ctx)
}

// TestEpochThatFailed has an error on its root span, if only that it is not
// durable.
func TestEpochThatFailed(t *testing.T) {
	for _, c := range []struct {
		err     error
		want    string
		givenUp bool
	}{{errors.New("disk full"), "disk full", false}, {nil, errNotDurable.Error(), false}, {errors.New(strings.Repeat("x", 5000)), strings.Repeat("x", maxText) + "…", false}, {nil, "", true}} {
		mem := &kept{InMemoryExporter: tracetest.NewInMemoryExporter()}
		x, err := newTracer(t.Context(), mem, Options{Ratio: 1}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		x.Begin(time.Now())(&pipeline.Trace{Err: c.err, GivenUp: c.givenUp, End: time.Now()})
		stop(t, x)
		if len(mem.spans) != 1 || (mem.spans[0].Status.Code == codes.Error) == c.givenUp || mem.spans[0].Status.Description != c.want {
			t.Errorf("%+v", mem.spans)
		}
	}
}

// TestRatio samples about as many as it says, and none at 0.
func TestRatio(t *testing.T) {
	for _, ratio := range []float64{0, 0.25, 1} {
		x, err := newTracer(t.Context(), tracetest.NewNoopExporter(), Options{Ratio: ratio}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range 4000 {
			if x.Begin(time.Now()) != nil {
				n++
			}
		}
		stop(t, x)
		if got := float64(n) / 4000; got < ratio-0.05 || got > ratio+0.05 {
			t.Errorf("%g of the epochs are traced, want %g", got, ratio)
		}
	}
}

// TestSamplerByVariable: OTEL_TRACES_SAMPLER holds where the ratio is 1.
func TestSamplerByVariable(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	x, err := newTracer(t.Context(), tracetest.NewNoopExporter(), Options{Ratio: 1}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, x)
	if x.Begin(time.Now()) != nil {
		t.Error("an epoch is traced")
	}
}

// receiver is an OTLP/HTTP collector as the specification has it.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
	faults   []string
	answer   func(w http.ResponseWriter, n int) bool // of the n-th request; true when it has answered
	n        int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.n++
	n := r.n
	r.mu.Unlock()
	if r.answer != nil && r.answer(w, n) {
		return
	}
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	data, err := io.ReadAll(body)
	msg := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(data, msg)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || q.Method != http.MethodPost || q.URL.Path != "/v1/traces" || q.Header.Get("Content-Type") != "application/x-protobuf" || q.Header.Get("X-Token") != "hidden-token" {
		r.faults = append(r.faults, fmt.Sprintf("%s %s %v %v", q.Method, q.URL, q.Header, err))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.requests = append(r.requests, msg)
	w.Header().Set("Content-Type", "application/x-protobuf")
	out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	_, _ = w.Write(out)
}

func (r *receiver) spans() (out []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.requests {
		for _, rs := range q.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				out = append(out, ss.Spans...)
			}
		}
	}
	return out
}

func (r *receiver) start(t *testing.T, log *slog.Logger) *Tracer {
	t.Helper()
	x, err := Start(t.Context(), Options{
		Endpoint: r.URL + "/v1/traces", Ratio: 1, Version: "v1",
		Headers: map[string]pipeline.Secret{"X-Token": "hidden-token"},
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *Tracer) count(result string) float64 {
	var m dto.Metric
	if err := x.traces.WithLabelValues(result).Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}

// TestOTLP sends to a receiver, plain and compressed.
func TestOTLP(t *testing.T) {
	for _, compression := range []string{"", "gzip"} {
		t.Run(compression, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
			t.Setenv("OTEL_SERVICE_NAME", "firehose-eu")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=stage")
			r := newReceiver(t)
			x := r.start(t, quiet)
			for range 20 {
				now := time.Now()
				x.Begin(now)(epoch(now))
			}
			stop(t, x)
			if len(r.faults) > 0 {
				t.Fatal(r.faults)
			}
			traces := map[string]int{}
			for _, s := range r.spans() {
				traces[string(s.TraceId)]++
			}
			for _, n := range traces {
				if n != 9 {
					t.Errorf("a trace has %d spans", n)
				}
			}
			if len(traces) != 20 || x.count(sent) != 20 || x.count(failed)+x.count(dropped) != 0 {
				t.Errorf("%d traces; %v sent, %v failed, %v dropped", len(traces), x.count(sent), x.count(failed), x.count(dropped))
			}
			res := map[string]string{}
			for _, a := range r.requests[0].ResourceSpans[0].Resource.Attributes {
				res[a.Key] = a.Value.GetStringValue()
			}
			if res["service.name"] != "firehose-eu" || res["service.version"] != "v1" || res["deployment.environment"] != "stage" {
				t.Errorf("resource %v", res)
			}
		})
	}
}

// TestCollectorFaults: what a collector does, the pipeline does not wait for it,
// each trace is counted once, and the log tells of it once, without secrets.
func TestCollectorFaults(t *testing.T) {
	release := make(chan struct{})
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, n int) bool
		closed bool
		sent   bool // all traces arrive at last
		log    string
	}{
		"429 once": {sent: true, answer: func(w http.ResponseWriter, n int) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}},
		"403": {log: "403", answer: func(w http.ResponseWriter, _ int) bool {
			http.Error(w, strings.Repeat("no ", 10_000), http.StatusForbidden)
			return true
		}},
		"garbage": {log: "collector", answer: func(w http.ResponseWriter, _ int) bool {
			w.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = w.Write(bytes.Repeat([]byte{0xff}, 1000))
			return true
		}},
		"hangs": {answer: func(http.ResponseWriter, int) bool { <-release; return true }},
		"gone":  {closed: true, log: "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = c.answer
			if c.closed {
				r.Close()
			}
			var log bytes.Buffer
			x := r.start(t, slog.New(slog.NewTextHandler(&log, nil)))
			begun := time.Now()
			const n = 3 * maxQueue
			for range n {
				now := time.Now()
				x.Begin(now)(epoch(now))
			}
			if took := time.Since(begun); took > time.Second {
				t.Errorf("the pipeline was held up for %s", took)
			}
			if name == "hangs" {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				x.Stop(ctx)
				cancel()
				close(release)
			} else {
				stop(t, x)
			}
			if got := x.count(sent) + x.count(failed) + x.count(dropped); got != n {
				t.Errorf("%v traces counted of %d", got, n)
			}
			if all := x.count(failed) == 0; all != c.sent {
				t.Errorf("%v sent, %v failed, %v dropped", x.count(sent), x.count(failed), x.count(dropped))
			}
			text := log.String()
			if strings.Contains(text, "hidden-token") || len(text) > 3000 || !strings.Contains(text, c.log) || strings.Count(text, "does not take traces") > 1 {
				t.Errorf("%d bytes of log: %s", len(text), text)
			}
		})
	}
}

// TestFullQueueDrops: while the exporter hangs the queue fills, and what does
// not fit is dropped at once.
func TestFullQueueDrops(t *testing.T) {
	h := &hanging{begun: make(chan struct{}), release: make(chan struct{})}
	x, err := newTracer(t.Context(), h, Options{Ratio: 1}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	end := func() { x.Begin(time.Now())(&pipeline.Trace{Durable: true}) }
	end()
	<-h.begun
	for range maxQueue + 7 {
		end()
	}
	if n := x.count(dropped); n != 7 {
		t.Errorf("%v dropped, want 7", n)
	}
	close(h.release)
	stop(t, x)
	if n := x.count(sent); n != maxQueue+1 {
		t.Errorf("%v sent, want %d", n, maxQueue+1)
	}
}

type hanging struct {
	once           sync.Once
	begun, release chan struct{}
}

func (h *hanging) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	h.once.Do(func() { close(h.begun) })
	<-h.release
	return nil
}
func (h *hanging) Shutdown(context.Context) error { return nil }

// TestVariables refuses what would not do what it says.
func TestVariables(t *testing.T) {
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "zipkin"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := Start(t.Context(), Options{}, quiet); err == nil || !strings.Contains(err.Error(), name+` is "`+value+`"`) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			if Disabled() {
				t.Error("disabled already")
			}
			t.Setenv(name, value)
			if !Disabled() {
				t.Error("not disabled")
			}
		})
	}
}
