// Package tracing sends what the engine tells of its epochs to an OpenTelemetry
// collector: one trace an epoch, by OTLP over HTTP.
//
// The pipeline never waits for it. Traces of epochs that have ended are queued,
// up to a bound, and one goroutine makes spans of them and sends them; while a
// collector does not answer the queue is full and further traces are dropped
// whole, and counted.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice/pipeline"
)

const (
	maxQueue    = 64               // traces that wait to be sent
	maxSpans    = 2000             // spans of a request, but that a trace is not split
	exportTime  = 40 * time.Second // for a request with all its attempts
	complainAge = time.Minute      // between two log lines about a collector that fails
)

// Options say where traces go. What is empty is taken from the standard
// variables OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
// and OTEL_TRACES_SAMPLER.
type Options struct {
	Endpoint string                     // URL that requests go to, with its path
	Headers  map[string]pipeline.Secret // of each request
	Ratio    float64                    // part of the epochs that is traced, 0 to 1; at 1 the variables decide
	Version  string                     // of the program
}

// Tracer is an pipeline.Tracer that sends traces. It is a prometheus.Collector
// too, which counts them.
type Tracer struct {
	tracer   trace.Tracer
	ended    *collected
	exporter sdktrace.SpanExporter
	log      *slog.Logger
	traces   *prometheus.CounterVec // by result

	queue    chan pending
	stop     context.Context // ends when no more is to be waited for
	end      context.CancelFunc
	stopping chan struct{}
	once     sync.Once
	done     chan struct{}

	failing    bool // the last request failed
	complained time.Time
}

// pending is a trace that waits to be sent.
type pending struct {
	root trace.Span
	t    *pipeline.Trace
}

// What became of a trace, as the metric's label says it.
const (
	sent    = "sent"
	failed  = "failed"  // the collector refused it or did not answer
	dropped = "dropped" // the queue was full
)

// Disabled tells whether the standard variables switch tracing off:
// OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none.
func Disabled() bool {
	return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
}

// Start returns a tracer that sends to the collector that o names. Whether that
// answers is not waited for.
func Start(ctx context.Context, o Options, log *slog.Logger) (*Tracer, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if p := os.Getenv(name); p != "" && !strings.HasPrefix(p, "http/") {
			return nil, fmt.Errorf("tracing: %s is %q, and traces are sent by http/protobuf only: name the collector's HTTP port (4318 as a rule) and set it to http/protobuf", name, p)
		}
	}
	if e := os.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		return nil, fmt.Errorf("tracing: OTEL_TRACES_EXPORTER is %q, and traces are sent by otlp only; none sends none", e)
	}
	opts := []otlptracehttp.Option{otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: 10 * time.Second, MaxElapsedTime: exportTime * 3 / 4,
	})}
	if o.Endpoint != "" {
		opts = append(opts, otlptracehttp.WithEndpointURL(o.Endpoint))
	}
	if len(o.Headers) > 0 {
		plain := make(map[string]string, len(o.Headers))
		for k, v := range o.Headers {
			plain[k] = v.Reveal()
		}
		opts = append(opts, otlptracehttp.WithHeaders(plain))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return newTracer(ctx, exporter, o, log)
}

func newTracer(ctx context.Context, exporter sdktrace.SpanExporter, o Options, log *slog.Logger) (*Tracer, error) {
	x := &Tracer{
		ended: &collected{}, exporter: exporter, log: log,
		queue: make(chan pending, maxQueue), stopping: make(chan struct{}), done: make(chan struct{}),
		traces: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "sluice", Name: "traces_total", Help: "Traces of epochs, by what became of them.",
		}, []string{"result"}),
	}
	for _, r := range []string{sent, failed, dropped} {
		x.traces.WithLabelValues(r) // so that they are there at 0
	}
	// The SDK tells of variables that it can not read by this and no other way.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("tracing", "error", clip(err.Error()))
	}))
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "sluice"), attribute.String("service.version", o.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("tracing: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSpanProcessor(x.ended)}
	if o.Ratio < 1 {
		opts = append(opts, sdktrace.WithSampler(sdktrace.TraceIDRatioBased(o.Ratio)))
	}
	x.tracer = sdktrace.NewTracerProvider(opts...).Tracer("github.com/sluicehq/sluice", trace.WithInstrumentationVersion(o.Version))
	x.stop, x.end = context.WithCancel(context.WithoutCancel(ctx))
	go x.loop()
	return x, nil
}

// Begin implements pipeline.Tracer.
func (x *Tracer) Begin(at time.Time) func(*pipeline.Trace) {
	_, root := x.tracer.Start(context.Background(), "epoch", trace.WithNewRoot(), trace.WithTimestamp(at))
	if !root.SpanContext().IsSampled() {
		return nil
	}
	return func(t *pipeline.Trace) {
		select {
		case x.queue <- pending{root, t}:
		default:
			x.traces.WithLabelValues(dropped).Inc()
		}
	}
}

// Stop sends what waits, until ctx ends. It is called when the run has ended.
func (x *Tracer) Stop(ctx context.Context) {
	defer context.AfterFunc(ctx, x.end)()
	x.once.Do(func() { close(x.stopping) })
	<-x.done
	x.end()
}

// loop sends what is queued.
func (x *Tracer) loop() {
	defer close(x.done)
	defer func() {
		if err := x.exporter.Shutdown(x.stop); err != nil && x.stop.Err() == nil {
			x.log.Warn("tracing: the connection to the collector did not end well", "error", clip(err.Error()))
		}
	}()
	for {
		select {
		case p := <-x.queue:
			x.send(p)
		case <-x.stopping:
			for {
				select {
				case p := <-x.queue:
					x.send(p)
				default:
					return
				}
			}
		}
	}
}

// send exports a trace and those that wait behind it, as far as they fit into
// one request.
func (x *Tracer) send(p pending) {
	n := 0
	for more := true; more; {
		x.spans(p.root, p.t)
		n++
		if more = len(x.ended.spans) < maxSpans; !more {
			break
		}
		select {
		case p = <-x.queue:
		default:
			more = false
		}
	}
	ctx, cancel := context.WithTimeout(x.stop, exportTime)
	err := x.exporter.ExportSpans(ctx, x.ended.spans)
	cancel()
	clear(x.ended.spans)
	x.ended.spans = x.ended.spans[:0]
	result := sent
	if err != nil {
		result = failed
	}
	x.traces.WithLabelValues(result).Add(float64(n))
	x.tell(err)
}

// tell logs that the collector fails, not too often, and that it takes traces
// again.
func (x *Tracer) tell(err error) {
	switch {
	case err == nil && x.failing:
		x.log.Info("tracing: the collector takes traces again")
		x.complained = time.Time{}
	case err != nil && time.Since(x.complained) >= complainAge:
		x.complained = time.Now()
		x.log.Warn("tracing: the collector does not take traces; the pipeline goes on, and they are lost", "error", clip(err.Error()))
	}
	x.failing = err != nil
}

// Describe implements prometheus.Collector.
func (x *Tracer) Describe(ch chan<- *prometheus.Desc) { x.traces.Describe(ch) }

// Collect implements prometheus.Collector.
func (x *Tracer) Collect(ch chan<- prometheus.Metric) { x.traces.Collect(ch) }

// collected is a span processor that keeps the spans that have ended. All spans
// are ended by the tracer's own goroutine.
type collected struct{ spans []sdktrace.ReadOnlySpan }

func (*collected) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (c *collected) OnEnd(s sdktrace.ReadOnlySpan)                 { c.spans = append(c.spans, s) }
func (*collected) Shutdown(context.Context) error                  { return nil }
func (*collected) ForceFlush(context.Context) error                { return nil }
