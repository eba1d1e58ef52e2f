package tracing

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice/pipeline"
)

// The names of spans by the kind of part; those of steps and sinks have a name
// behind.
var names = [...]string{
	pipeline.PartRead: "read", pipeline.PartChunk: "chunk", pipeline.PartDecode: "decode", pipeline.PartStep: "step ",
	pipeline.PartGather: "gather", pipeline.PartIntent: "intent", pipeline.PartSink: "write ", pipeline.PartCheckpoint: "checkpoint",
	pipeline.PartSource: "commit source",
}

// errNotDurable is the error of an epoch that ended without one of its own.
var errNotDurable = errors.New("the run ended before the epoch was durable; the next run goes on from the checkpoint")

// spans ends the root span of an epoch, and begins and ends those of its parts.
func (x *Tracer) spans(root trace.Span, t *pipeline.Trace) {
	ctx := trace.ContextWithSpan(context.Background(), root)
	parents := make([]context.Context, len(t.Parts))
	for i := range t.Parts {
		p := &t.Parts[i]
		in := ctx
		if p.Parent >= 0 {
			in = parents[p.Parent]
		}
		var span trace.Span
		parents[i], span = x.tracer.Start(in, names[p.Kind]+p.Name, trace.WithTimestamp(p.Begin), trace.WithAttributes(attributes(p)...))
		fail(span, p.Err, p.End)
		span.End(trace.WithTimestamp(p.End))
	}
	root.SetAttributes(
		attribute.String("sluice.pipeline", t.Pipeline),
		attribute.String("sluice.partition", t.Key.Partition),
		attribute.String("sluice.epoch.from", string(t.Key.From)),
		attribute.String("sluice.epoch.to", string(t.Key.To)),
		attribute.String("sluice.manifest", string(t.Manifest)),
		attribute.Int64("sluice.generation", t.Generation),
		attribute.Int64("sluice.records", t.Records),
		attribute.Int64("sluice.bytes", t.Bytes),
		attribute.Int64("sluice.rows.posts", t.Posts),
		attribute.Int64("sluice.rows.detections", t.Detections),
		attribute.Int64("sluice.rows.rejected", t.Rejected),
		attribute.Bool("sluice.durable", t.Durable),
	)
	if t.Warm {
		root.SetAttributes(attribute.Bool("sluice.warm", true))
	}
	if t.GivenUp { // and is no failure: the other process writes it
		root.SetAttributes(attribute.Bool("sluice.given_up", true))
	}
	if t.Left > 0 {
		root.SetAttributes(attribute.Int("sluice.spans.left_out", t.Left))
	}
	err := t.Err
	if err == nil && !t.Durable && !t.GivenUp {
		err = errNotDurable
	}
	fail(root, err, t.End)
	root.End(trace.WithTimestamp(t.End))
}

// fail records an error on a span.
func fail(span trace.Span, err error, at time.Time) {
	if err == nil {
		return
	}
	msg := clip(err.Error())
	_, again := pipeline.IsRetryable(err)
	span.RecordError(errors.New(msg), trace.WithTimestamp(at))
	span.SetAttributes(attribute.Bool("sluice.retryable", again))
	span.SetStatus(codes.Error, msg)
}

// attributes says what a part did.
func attributes(p *pipeline.TracePart) (out []attribute.KeyValue) {
	num := func(key string, n int64) { out = append(out, attribute.Int64(key, n)) }
	if p.Busy > 0 {
		out = append(out, attribute.Float64("sluice.busy_seconds", p.Busy.Seconds()))
	}
	switch p.Kind {
	case pipeline.PartRead, pipeline.PartChunk:
		num("sluice.records", p.Records)
		num("sluice.bytes", p.Bytes)
	case pipeline.PartDecode:
		num("sluice.rows.out", p.Rows.Out)
		num("sluice.rows.rejected", p.Rows.Rejected)
	case pipeline.PartStep:
		out = append(out, attribute.String("sluice.step", p.Name))
		num("sluice.rows.in", p.Rows.In)
		num("sluice.rows.out", p.Rows.Out)
		num("sluice.rows.detections", p.Rows.Detections)
		num("sluice.rows.rejected", p.Rows.Rejected)
	case pipeline.PartSink:
		out = append(out, attribute.String("sluice.sink", p.Name))
		num("sluice.rows.in", p.Rows.In)
	}
	return out
}

// maxText bounds an error's text in a span and in the log: a collector's or a
// server's answer may be long.
const maxText = 500

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
