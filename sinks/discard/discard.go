// Package discard is the sink that counts rows and drops them: for benchmarks
// of everything before the sinks, and for trying a pipeline out.
package discard

import (
	"context"
	"sync/atomic"

	"github.com/sluicehq/sluice/pipeline"
)

// Config is empty: there is nothing to set.
type Config struct{}

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "discard",
		Summary: "counts rows and drops them, for benchmarks and trials",
		Doc:     "Takes every stream and keeps nothing.",
		Example: "{}\n",
		Takes:   []pipeline.Stream{pipeline.Posts, pipeline.Detections, pipeline.Rejected},
	}, func() Config { return Config{} }, func(pipeline.BuildContext, *Config, pipeline.Schemas) (pipeline.SinkPlan, error) {
		return plan{}, nil
	})
}

type plan struct{}

// New returns a [Sink].
func (plan) New() (pipeline.Sink, error) { return &Sink{}, nil }

// Sink counts rows.
type Sink struct {
	rows [pipeline.NumStreams]atomic.Int64
}

// Open does nothing.
func (s *Sink) Open(context.Context) error { return nil }

// Write counts the rows. A key that is written again is counted again.
func (s *Sink) Write(_ context.Context, _ pipeline.Key, in []pipeline.Batch) error {
	for _, b := range in {
		s.rows[b.Stream].Add(b.Record.NumRows())
	}
	return nil
}

// Close does nothing.
func (s *Sink) Close(context.Context) error { return nil }

// Rows returns the rows of each stream so far. It is safe for any goroutine.
func (s *Sink) Rows() (n [pipeline.NumStreams]int64) {
	for i := range n {
		n[i] = s.rows[i].Load()
	}
	return n
}
