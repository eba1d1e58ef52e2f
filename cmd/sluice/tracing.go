package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/tracing"
	"github.com/sluicehq/sluice/pipeline/config"
)

// traceGrace is how long the end of a run waits for traces to be sent.
const traceGrace = 3 * time.Second

// startTracing returns the tracer that the config asks for, nil for none, and
// what ends it.
func startTracing(ctx context.Context, t config.Tracing, log *slog.Logger) (*tracing.Tracer, func(), error) {
	if !t.Enabled || tracing.Disabled() {
		return nil, func() {}, nil
	}
	x, err := tracing.Start(ctx, tracing.Options{Endpoint: t.URL(), Headers: t.Headers, Ratio: t.Ratio, Version: version}, log)
	if err != nil {
		return nil, nil, err
	}
	return x, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), traceGrace)
		defer cancel()
		x.Stop(ctx)
	}, nil
}
