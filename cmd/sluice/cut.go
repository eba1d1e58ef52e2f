package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/operators/repartition"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	kafkasink "github.com/sluicehq/sluice/sinks/kafka"
	kafkasource "github.com/sluicehq/sluice/sources/kafka"
)

// cut is a graph as it is run: in one part, or, with a repartition step, in two
// with a topic between them.
type cut struct {
	parts []*graph.Graph
	step  string // the repartition step; empty without one
	topic kafka.Topic
	cfg   repartition.Config
}

// cutGraph cuts a graph that was built from spec. Its errors are config errors.
func cutGraph(spec *config.Spec, g *graph.Graph, log *slog.Logger) (*cut, error) {
	var found []graph.Node
	for _, n := range g.Nodes {
		if _, ok := n.Plan.(*repartition.Plan); ok {
			found = append(found, n)
		}
	}
	if len(found) == 0 {
		return &cut{parts: []*graph.Graph{g}}, nil
	}
	at := slices.IndexFunc(spec.Steps, func(c config.Component) bool { return c.Name == found[len(found)-1].Name })
	component := spec.Steps[at]
	if len(found) > 1 {
		return nil, component.Locate(errors.New("there is a repartition step already: a pipeline has one"))
	}
	n := found[0]
	c := &cut{step: n.Name, cfg: n.Plan.(*repartition.Plan).Config()}
	if err := c.connect(spec); err != nil {
		return nil, component.Locate(err)
	}
	c.topic = kafka.Topic{Name: c.cfg.Topic, Partitions: c.cfg.Partitions, Replication: c.cfg.Replication, Config: kafka.Retained(c.cfg.Retention)}
	bc := pipeline.BuildContext{Pipeline: spec.Pipeline, Name: n.Name, Dir: spec.Dir, Mem: g.Mem, Logger: log.With("component", n.Name)}
	into, err := kafkasink.NewSealed(bc, c.sink(), pipeline.Schemas{pipeline.Posts: n.Out})
	if err != nil {
		return nil, component.Locate(err)
	}
	from, err := kafkasource.NewPosts(bc, c.source(spec), n.Out)
	if err != nil {
		return nil, component.Locate(err)
	}
	before, behind, err := g.Cut(n.Name, into, from)
	if err != nil {
		return nil, err
	}
	c.parts = []*graph.Graph{before, behind}
	return c, nil
}

// cautions is graph.Graph.Cautions of the parts.
func (c *cut) cautions() (out []error) {
	for _, g := range c.parts {
		out = append(out, g.Cautions()...)
	}
	return out
}

// connect takes the connection of the source where the step has none, and sees
// to it that the source does not read the step's topic.
func (c *cut) connect(spec *config.Spec) error {
	if spec.Source.Kind != "kafka" {
		if len(c.cfg.Brokers) == 0 {
			return &pipeline.FieldError{Path: "brokers", Err: errors.New("no broker: write host:port of one or more")}
		}
		return nil
	}
	src := kafkasource.Defaults()
	if err := spec.Source.Decode(&src); err != nil {
		return err
	}
	if slices.Contains(src.Topics, c.cfg.Topic) {
		return &pipeline.FieldError{Path: "topic", Err: fmt.Errorf("the source reads topic %s: the step needs one of its own", c.cfg.Topic)}
	}
	if len(c.cfg.Brokers) == 0 {
		settings := c.cfg.Settings
		c.cfg.Connection = src.Connection.Connection
		if settings != nil {
			c.cfg.Settings = settings
		}
	}
	return nil
}

func (c *cut) sink() *kafkasink.Config {
	cfg := kafkasink.Defaults()
	cfg.Connection.Connection, cfg.Topic, cfg.Format, cfg.KeyColumn, cfg.Delivery = c.cfg.Connection, c.cfg.Topic, "arrow", c.cfg.By, "exactly_once"
	cfg.Settings = maps.Clone(cfg.Settings)
	maps.DeleteFunc(cfg.Settings, func(name, _ string) bool { return kafka.OfConsumer(name) })
	return &cfg
}

func (c *cut) source(spec *config.Spec) *kafkasource.Config {
	cfg := kafkasource.Defaults()
	cfg.Connection.Connection, cfg.Topics, cfg.Assign, cfg.Messages = c.cfg.Connection, []string{c.cfg.Topic}, "group", "arrow"
	cfg.Group = "sluice-" + spec.Pipeline + "-" + c.step
	return &cfg
}

// canReplace is graph.Graph.CanReplace of each part. What is in the topic was
// written with the columns of then, so they must stay while the parts run.
func (c *cut) canReplace(old *cut) error {
	if c.step != old.step || len(c.parts) != len(old.parts) {
		return &graph.RestartError{Err: errors.New("the repartition step has come, gone or been renamed")}
	}
	for i, g := range c.parts {
		if err := g.CanReplace(old.parts[i]); err != nil {
			return err
		}
	}
	if c.step == "" {
		return nil
	}
	if now, was := c.parts[1].Decode.Output(), old.parts[1].Decode.Output(); !now.Equal(was) || !now.Metadata().Equal(was.Metadata()) {
		return &graph.RestartError{Err: fmt.Errorf("the columns that reach step %s have changed", c.step)}
	}
	return nil
}

// makeTopic makes the topic between the parts, if it is not there. While the
// brokers are away it tries again.
func (c *cut) makeTopic(ctx context.Context, log *slog.Logger) error {
	if c.step == "" {
		return nil
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		made, err := c.topic.Make(ctx, kafka.Connection{Connection: c.cfg.Connection})
		if _, again := pipeline.IsRetryable(err); !again {
			if made {
				log.Info("made the topic of a repartition step", "step", c.step, "topic", c.topic.Name, "partitions", c.topic.Partitions, "retention", c.cfg.Retention)
			}
			if e, other := errors.AsType[*kafka.PartitionsError](err); other {
				err = fmt.Errorf("%w: to change their number moves keys; set partitions: %d, or another topic", err, e.Have)
			}
			if err != nil {
				return fmt.Errorf("step %s: %w", c.step, err)
			}
			return nil
		}
		log.Warn("the topic of a repartition step can not be made, trying again", "step", c.step, "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
