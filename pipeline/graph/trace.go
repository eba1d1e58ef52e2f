package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// farFuture is a watermark after which no window is open.
var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Trace runs one record of decoded posts through all steps, each with a fresh
// operator, and calls visit with every batch that leaves a node, in the order
// of the nodes; stateful steps are told that all time has passed at the end.
// It is for tests of rules and for explaining a post: the engine is what runs
// a stream. visit must Retain what it keeps.
func (g *Graph) Trace(ctx context.Context, posts arrow.Record, visit func(node int, b pipeline.Batch) error) error {
	posts.Retain()
	return g.trace(ctx, Root, pipeline.Batch{Record: posts, Stream: pipeline.Posts}, visit)
}

// trace passes on a batch that left node, whose reference it takes over.
func (g *Graph) trace(ctx context.Context, node int, b pipeline.Batch, visit func(int, pipeline.Batch) error) error {
	defer b.Record.Release()
	if err := visit(node, b); err != nil || b.Stream != pipeline.Posts {
		return err
	}
	for _, r := range g.Nodes[node].Readers {
		op := g.Nodes[r].Plan.New()
		emit := func(out pipeline.Batch) error { return g.trace(ctx, r, out, visit) }
		err := op.Process(ctx, b, emit)
		if st, ok := op.(pipeline.Stateful); ok && err == nil {
			err = st.Advance(ctx, farFuture, emit)
		}
		if err != nil {
			return fmt.Errorf("step %s: %w", g.Nodes[r].Name, err)
		}
	}
	return nil
}
