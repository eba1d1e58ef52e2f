package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

// RestartError says that a graph can not take another one's place while that
// runs: the pipeline must be stopped and started again.
type RestartError struct{ Err error }

func (e *RestartError) Error() string {
	return e.Err.Error() + "; that takes effect when the pipeline is stopped and started again"
}

func (e *RestartError) Unwrap() error { return e.Err }

// CanReplace returns nil if a run of old can go on with g between two epochs:
// the source and the sinks are the same, the sinks can be given what they were
// opened for, and the steps with state are the same ones, in their order. The
// error is a [RestartError] that joins all that is in the way.
func (g *Graph) CanReplace(old *Graph) error {
	var errs []error
	no := func(at config.Component, format string, args ...any) {
		errs = append(errs, at.Locate(fmt.Errorf(format, args...)))
	}
	if g.Pipeline != old.Pipeline {
		errs = append(errs, fmt.Errorf("the pipeline is called %q now, not %q", g.Pipeline, old.Pipeline))
	}
	if !g.source.Same(old.source) {
		no(g.source, "the source has changed")
	}
	errs = append(errs, g.sameState(old)...)
	for _, n := range g.Nodes[Root+1:] {
		// Manifests have ${...} as it is written: an epoch could not be run
		// again as it was if that stood for two values in one run.
		if was := old.node(n.Name); was != nil && was.component.SameText(n.component) && !was.component.Same(n.component) {
			no(n.component, "what a ${...} of step %s stands for has changed", n.Name)
		}
	}
	if len(g.Sinks) != len(old.Sinks) {
		errs = append(errs, fmt.Errorf("there are %d sinks now, not %d", len(g.Sinks), len(old.Sinks)))
		return &RestartError{errors.Join(errs...)}
	}
	for i := range g.Sinks {
		s, was := &g.Sinks[i], &old.Sinks[i]
		if !s.component.Same(was.component) {
			no(s.component, "sink %s has changed", s.Name)
			continue
		}
		if _, err := s.Fit(was); err != nil {
			no(s.component, "sink %s: %w", s.Name, err)
		}
	}
	if len(errs) > 0 {
		return &RestartError{errors.Join(errs...)}
	}
	return nil
}

// node returns the node of a name, or nil.
func (g *Graph) node(name string) *Node {
	for i := range g.Nodes {
		if i != Root && g.Nodes[i].Name == name {
			return &g.Nodes[i]
		}
	}
	return nil
}

// stateful returns the nodes with state, in order.
func (g *Graph) stateful() (out []*Node) {
	for i := range g.Nodes {
		if g.Nodes[i].Key >= 0 {
			out = append(out, &g.Nodes[i])
		}
	}
	return out
}

// key is the field by whose values the state of a node is kept.
func (g *Graph) key(n *Node) arrow.Field { return g.Nodes[n.Input].Out.Field(n.Key) }

// sameState compares the steps with state: their state is carried over, so they
// must be the ones that it belongs to.
func (g *Graph) sameState(old *Graph) (errs []error) {
	now, was := g.stateful(), old.stateful()
	for _, n := range was {
		if m := g.node(n.Name); m == nil || m.Key < 0 {
			errs = append(errs, fmt.Errorf("step %s, which keeps state, is gone", n.Name))
		}
	}
	for _, n := range now {
		m := old.node(n.Name)
		switch {
		case m == nil || m.Key < 0:
			errs = append(errs, n.component.Locate(fmt.Errorf("step %s keeps state and is new", n.Name)))
		case !n.component.SameText(m.component) || n.Kind != m.Kind || g.key(n).Name != old.key(m).Name || !arrow.TypeEqual(g.key(n).Type, old.key(m).Type):
			errs = append(errs, n.component.Locate(fmt.Errorf("step %s keeps state, and its settings have changed", n.Name)))
		}
	}
	if len(errs) == 0 && !slices.EqualFunc(now, was, func(a, b *Node) bool { return a.Name == b.Name }) {
		errs = append(errs, errors.New("the steps that keep state are in another order"))
	}
	return errs
}

// StateKey names what keeps the graph's state: the stateful steps with their
// settings and keys. Graphs of one key can go on with each other's state. It is
// empty for a graph without state.
func (g *Graph) StateKey() string {
	steps := g.stateful()
	if len(steps) == 0 {
		return ""
	}
	h := sha256.New()
	for _, n := range steps {
		key := g.key(n)
		fmt.Fprintf(h, "%q %q %q %q %s\n", n.Name, n.Kind, key.Name, key.Type, n.component.Raw())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Fit says how batches for a sink become such as it was opened for.
type Fit struct {
	schema *arrow.Schema
	from   []int // column of the record, by field
}

// Fit compares what s takes with what the same sink of another graph was opened
// for, and returns how its posts are to be changed: nil if not at all. Columns
// may move; they must be the same.
func (s *Sink) Fit(opened *Sink) (*Fit, error) {
	for stream := range s.Schemas {
		if s.Schemas[stream] != nil && opened.Schemas[stream] == nil {
			return nil, fmt.Errorf("it takes %s now, for which it was not opened", pipeline.Stream(stream))
		}
	}
	now, was := s.Schemas[pipeline.Posts], opened.Schemas[pipeline.Posts]
	if now == nil || now.Equal(was) {
		return nil, nil
	}
	md := now.Metadata()
	f := &Fit{schema: arrow.NewSchema(was.Fields(), &md), from: make([]int, was.NumFields())}
	for i, field := range was.Fields() {
		at := now.FieldIndices(field.Name)
		switch {
		case len(at) == 0:
			return nil, fmt.Errorf("the column %q is gone", field.Name)
		case !now.Field(at[0]).Equal(field):
			return nil, fmt.Errorf("the column %q has another type now", field.Name)
		}
		f.from[i] = at[0]
	}
	for _, field := range now.Fields() {
		if !was.HasField(field.Name) {
			return nil, fmt.Errorf("the column %q is new", field.Name)
		}
	}
	return f, nil
}

// Record returns rec as the sink was opened for it, sharing its columns. The
// caller owns it.
func (f *Fit) Record(rec arrow.Record) arrow.Record {
	cols := make([]arrow.Array, len(f.from))
	for i, at := range f.from {
		cols[i] = rec.Column(at)
	}
	return array.NewRecord(f.schema, cols, rec.NumRows())
}
