// Package graph turns a checked config and the component factories into a DAG
// of plans with schemas: column positions, lists and rules are resolved here,
// and the engine that runs the graph looks nothing up by name.
package graph

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

// Registry holds the component factories by kind.
type Registry struct {
	Sources, Operators, Sinks map[string]pipeline.Factory
}

// NewRegistry builds a registry; two factories of one name are an error.
func NewRegistry(sources, operators, sinks []pipeline.Factory) (Registry, error) {
	var r Registry
	var err error
	for _, part := range []struct {
		what string
		list []pipeline.Factory
		into *map[string]pipeline.Factory
	}{{"sources", sources, &r.Sources}, {"operators", operators, &r.Operators}, {"sinks", sinks, &r.Sinks}} {
		m := make(map[string]pipeline.Factory, len(part.list))
		for _, f := range part.list {
			if _, twice := m[f.Name]; twice {
				err = errors.Join(err, fmt.Errorf("%s: two factories are called %q: rename one in %s.All", part.what, f.Name, part.what))
			}
			m[f.Name] = f
		}
		*part.into = m
	}
	return r, err
}

// Root is the index of the node that stands for the source and its decoder.
const Root = 0

// Graph is a checked pipeline. It is immutable; many workers may run it.
type Graph struct {
	Pipeline string
	Source   pipeline.SourcePlan
	Decode   pipeline.DecodePlan
	Nodes    []Node // topologically sorted: an input comes before its readers; Nodes[Root] is the decoder
	Sinks    []Sink
	Mem      memory.Allocator
	Stages   int // 1 + the largest number of stateful steps on a path

	source config.Component
}

// Node is a step, or the decoder.
type Node struct {
	Name, Kind string
	Plan       pipeline.Plan // nil for the decoder
	Input      int           // index of the node whose posts it reads; -1 for the decoder
	Readers    []int         // nodes that read its posts
	Out        *arrow.Schema // of the posts that leave it
	Emits      []pipeline.Stream
	// Stage is the number of stateful steps on the way to this node, itself
	// included. Stage 0 runs on every core by chunk, the others by shard.
	Stage int
	// Key is the key column of a stateful step, -1 for a stateless one.
	Key int

	component config.Component // none of the decoder
	read      *stepFiles       // what its plan was made from
}

// Settings returns the step's settings as canonical JSON, before ${...} is
// filled in.
func (n *Node) Settings() string { return string(n.component.Raw()) }

// Shown is Settings with secrets masked, for people to read.
func (n *Node) Shown() string { return string(n.component.Shown()) }

// Port is one stream that leaves one node.
type Port struct {
	Node   int
	Stream pipeline.Stream
}

// Sink is a sink with the ports that it takes.
type Sink struct {
	Name, Kind string
	Plan       pipeline.SinkPlan
	Ports      []Port // by stream, then by node
	Schemas    pipeline.Schemas

	component config.Component
	local     bool // see pipeline.Factory
}

// Options of Build.
type Options struct {
	Registry Registry
	Files    pipeline.Files
	Mem      memory.Allocator // nil: the Go allocator
	Logger   *slog.Logger     // nil: nothing is logged
	// Previous, when not nil, is a graph that was built with the same Registry
	// and Mem. A step of it that has the same settings, input and files is used
	// again, so that a change costs what it changes.
	Previous *Graph
	// WithoutSinks leaves the sinks out: for tests of rules, and explain.
	WithoutSinks bool
}

// Build checks spec against the factories. Its errors are config errors with
// file, line and column, all that were found joined.
func Build(spec *config.Spec, opt Options) (*Graph, error) {
	if opt.Mem == nil {
		opt.Mem = memory.DefaultAllocator
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	b := &builder{spec: spec, opt: opt, g: &Graph{Pipeline: spec.Pipeline, Mem: opt.Mem, Stages: 1}, byName: map[string]int{}}
	b.source()
	b.steps()
	if !opt.WithoutSinks {
		b.sinks()
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return b.g, nil
}

type builder struct {
	spec   *config.Spec
	opt    Options
	g      *Graph
	byName map[string]int // node by step name
	errs   []error
	// blind is set once a step failed: what reaches the later ones is unknown,
	// so that only their own configs are checked.
	blind bool
}

func (b *builder) fail(c config.Component, err error) {
	if err != nil {
		b.errs = append(b.errs, c.Locate(err))
	}
}

func (b *builder) context(c config.Component) pipeline.BuildContext {
	return pipeline.BuildContext{
		Pipeline: b.spec.Pipeline, Name: c.Name, Dir: b.spec.Dir,
		Files: b.opt.Files, Mem: b.opt.Mem, Logger: b.opt.Logger.With("component", c.Name),
	}
}

// config decodes a component's config; nil when that failed.
func (b *builder) config(c config.Component, what string, known map[string]pipeline.Factory) (pipeline.Factory, any) {
	f, ok := known[c.Kind]
	if !ok {
		names := make([]string, 0, len(known))
		for n := range known {
			names = append(names, n)
		}
		slices.Sort(names)
		msg := fmt.Sprintf("there is no %s called %q", what, c.Kind)
		if near := config.Nearest(c.Kind, names); near != "" {
			msg += fmt.Sprintf("; did you mean %q?", near)
		} else {
			msg += "; there are " + strings.Join(names, ", ")
		}
		b.fail(c, errors.New(msg))
		return f, nil
	}
	cfg := f.NewConfig()
	if err := c.Decode(cfg); err != nil {
		b.errs = append(b.errs, err)
		return f, nil
	}
	return f, cfg
}

func (b *builder) source() {
	c := b.spec.Source
	b.g.source = c
	root := Node{Name: "decode", Kind: c.Kind, Input: -1, Key: -1, Emits: []pipeline.Stream{pipeline.Rejected}}
	b.byName[root.Name] = Root
	if f, cfg := b.config(c, "source", b.opt.Registry.Sources); cfg != nil {
		plan, err := f.PlanSource(b.context(c), cfg)
		b.fail(c, err)
		if err == nil {
			b.g.Source, b.g.Decode = plan, plan.Decode()
			root.Out = b.g.Decode.Output()
		}
	}
	b.blind = root.Out == nil
	b.g.Nodes = append(b.g.Nodes, root)
}

func (b *builder) steps() {
	for _, c := range b.spec.Steps {
		f, cfg := b.config(c, "operator", b.opt.Registry.Operators)
		input := len(b.g.Nodes) - 1
		if len(c.From) > 0 { // the config has checked that it is there
			input = b.byName[c.From[0]]
		}
		if cfg == nil || b.blind {
			b.blind = true
			continue
		}
		b.step(c, f, cfg, input)
	}
}

func (b *builder) step(c config.Component, f pipeline.Factory, cfg any, input int) {
	bc := b.context(c)
	plan, read := b.again(c, b.g.Nodes[input].Out)
	if plan == nil {
		var err error
		read = newStepFiles(bc.Files)
		bc.Files = read
		if plan, err = f.PlanOperator(bc, cfg, b.g.Nodes[input].Out); err != nil {
			b.fail(c, err)
			b.blind = true
			return
		}
		read.planned() // the plan may keep it, and the contents are not to be kept with it
	}
	n := Node{
		Name: c.Name, Kind: c.Kind, Plan: plan, Input: input, Out: plan.Output(), Emits: plan.Emits(),
		Stage: b.g.Nodes[input].Stage, Key: -1, component: c, read: read,
	}
	if k, ok := plan.(pipeline.Keyed); ok {
		n.Key = k.Key()
		n.Stage++
		b.g.Stages = max(b.g.Stages, n.Stage+1)
	}
	i := len(b.g.Nodes)
	b.g.Nodes = append(b.g.Nodes, n)
	b.g.Nodes[input].Readers = append(b.g.Nodes[input].Readers, i)
	b.byName[c.Name] = i
}

// again returns the plan that the previous graph has for a step, if it would be
// made from the same settings, schema and files.
func (b *builder) again(c config.Component, in *arrow.Schema) (pipeline.Plan, *stepFiles) {
	if b.opt.Previous == nil {
		return nil, nil
	}
	n := b.opt.Previous.node(c.Name)
	if n == nil || !n.component.Same(c) || !n.component.SameText(c) {
		return nil, nil
	}
	was := b.opt.Previous.Nodes[n.Input].Out
	if was != in && !(was.Equal(in) && was.Metadata().Equal(in.Metadata())) || !n.read.same(b.opt.Files) {
		return nil, nil
	}
	return n.Plan, n.read
}

func (b *builder) sinks() {
	if len(b.spec.Sinks) == 0 {
		b.errs = append(b.errs, fmt.Errorf("%s: the pipeline has no sink: add one under sinks, such as `- stdout: {}`", b.spec.Path))
	}
	for _, c := range b.spec.Sinks {
		f, cfg := b.config(c, "sink", b.opt.Registry.Sinks)
		if cfg == nil || b.blind {
			continue
		}
		s := Sink{Name: c.Name, Kind: c.Kind, component: c, local: f.Local}
		if err := b.ports(&s, c, f); err != nil {
			b.fail(c, err)
			continue
		}
		if len(s.Ports) == 0 { // it would write nothing, and nobody would be told
			b.fail(c, fmt.Errorf("it takes detections, and no step of this pipeline makes any: add one that does, such as rules, or take the posts with `from: [posts]`"))
			continue
		}
		if p, ok := b.g.Source.(pipeline.SharedPlan); ok && p.Shared() && f.Local {
			b.fail(c, fmt.Errorf("%w, or let one process read all: for kafka, `assign: all`", errLocal))
			continue
		}
		var err error
		if s.Plan, err = f.PlanSink(b.context(c), cfg, s.Schemas); err != nil {
			b.fail(c, err)
			continue
		}
		b.g.Sinks = append(b.g.Sinks, s)
	}
}

// errLocal says why a local sink can not serve a shared source.
var errLocal = errors.New("it knows what it has by what this process has written, and the partitions of the source move between processes: rows would be doubled. Use another sink")

// ports resolves what a sink takes: streams by name ("posts" are those of the
// last step, "detections" those of all steps), or one step's ("match",
// "my_rules.detections"). The config has checked the names.
func (b *builder) ports(s *Sink, c config.Component, f pipeline.Factory) error {
	froms := slices.Clone(c.From)
	if len(froms) == 0 {
		for _, t := range f.Takes {
			froms = append(froms, t.String())
		}
	}
	for _, from := range froms {
		step, name, dotted := strings.Cut(from, ".")
		if !dotted {
			if _, ok := pipeline.ParseStream(from); ok {
				step, name = "", from
			} else {
				name = pipeline.Posts.String()
			}
		}
		stream, _ := pipeline.ParseStream(name)
		node := -1
		if step != "" {
			node = b.byName[step]
		}
		if err := b.addPorts(s, from, stream, node); err != nil {
			return err
		}
	}
	slices.SortFunc(s.Ports, comparePorts)
	return nil
}

// comparePorts orders ports by stream, then by node.
func comparePorts(x, y Port) int {
	if x.Stream != y.Stream {
		return int(x.Stream) - int(y.Stream)
	}
	return x.Node - y.Node
}

// addPorts adds the ports of one stream, of one node or (-1) of all.
func (b *builder) addPorts(s *Sink, from string, stream pipeline.Stream, node int) error {
	var nodes []int
	switch {
	case stream == pipeline.Posts && node < 0:
		nodes = []int{len(b.g.Nodes) - 1}
	case stream == pipeline.Posts:
		nodes = []int{node}
	default:
		for i, n := range b.g.Nodes {
			if (node < 0 || i == node) && slices.Contains(n.Emits, stream) {
				nodes = append(nodes, i)
			}
		}
		if node >= 0 && len(nodes) == 0 {
			return fmt.Errorf("from: %q: step %q does not emit %s", from, b.g.Nodes[node].Name, stream)
		}
	}
	switch stream {
	case pipeline.Posts:
		if s.Schemas[stream] != nil {
			return fmt.Errorf("from: %q: a sink takes the posts of one step only: add a second sink", from)
		}
		s.Schemas[stream] = pipeline.Stored(b.g.Nodes[nodes[0]].Out)
	case pipeline.Detections:
		s.Schemas[stream] = pipeline.DetectionsSchema()
	case pipeline.Rejected:
		s.Schemas[stream] = pipeline.RejectedSchema()
	}
	for _, n := range nodes {
		p := Port{Node: n, Stream: stream}
		if slices.Contains(s.Ports, p) {
			return fmt.Errorf("from: %q is listed twice", from)
		}
		s.Ports = append(s.Ports, p)
	}
	return nil
}
