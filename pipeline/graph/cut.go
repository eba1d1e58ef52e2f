package graph

import (
	"errors"
	"slices"

	"github.com/sluicehq/sluice/pipeline"
)

// Cut divides the graph at a step into two that are run one behind the other.
// The step's posts end in the sink of into, all their columns, and what is
// behind the step begins at the source from, whose schema is that of the posts.
// A sink of the graph is in each part of which it takes something, with the same
// plan.
//
// Its errors are config errors with file, line and column.
func (g *Graph) Cut(step string, into pipeline.SinkPlan, from pipeline.SourcePlan) (before, behind *Graph, err error) {
	at := slices.IndexFunc(g.Nodes, func(n Node) bool { return n.Name == step })
	cut := g.Nodes[at]
	// Behind are the step's readers and theirs: inputs come first in the order.
	isBehind := make([]bool, len(g.Nodes))
	for i := at + 1; i < len(g.Nodes); i++ {
		isBehind[i] = g.Nodes[i].Input == at || isBehind[g.Nodes[i].Input]
	}
	if !slices.Contains(isBehind, true) {
		return nil, nil, cut.component.Locate(errors.New("there is no step behind it: leave it out"))
	}
	part := func() *Graph { return &Graph{Pipeline: g.Pipeline, Mem: g.Mem, Stages: 1} }
	before, behind = part(), part()
	before.Source, before.Decode, before.source = g.Source, g.Decode, g.source
	behind.Source, behind.Decode, behind.source = from, from.Decode(), cut.component
	behind.Nodes = []Node{{Name: g.Nodes[Root].Name, Kind: cut.Kind, Input: -1, Key: -1, Out: cut.Out, Emits: []pipeline.Stream{pipeline.Rejected}}}
	place := make([]int, len(g.Nodes)) // of a node in its part
	for i, n := range g.Nodes {
		to := before
		if isBehind[i] {
			to = behind
			n.Stage -= cut.Stage
		}
		switch {
		case n.Input == at:
			n.Input = Root
		case i != Root:
			n.Input = place[n.Input]
		}
		n.Readers, place[i] = nil, len(to.Nodes)
		to.add(n)
	}
	for _, s := range g.Sinks {
		for _, to := range []*Graph{before, behind} {
			mine := s
			mine.Ports = nil
			for _, p := range s.Ports {
				node := p.Node
				if node == at { // its posts are those that reach it; see below
					node = cut.Input
				}
				if isBehind[node] == (to == behind) {
					mine.Ports = append(mine.Ports, Port{place[node], p.Stream})
				}
			}
			// What one source can not decode and what the other can not go together.
			if undecoded := (Port{Root, pipeline.Rejected}); to == behind && slices.Contains(s.Ports, undecoded) {
				mine.Ports = append(mine.Ports, undecoded)
				slices.SortFunc(mine.Ports, comparePorts)
			}
			if len(mine.Ports) > 0 {
				to.Sinks = append(to.Sinks, mine)
			}
		}
	}
	cutSink := Sink{Name: step, Kind: cut.Kind, Plan: into, Ports: []Port{{place[at], pipeline.Posts}}, component: cut.component}
	cutSink.Schemas[pipeline.Posts] = pipeline.Plain(cut.Out)
	before.Nodes[place[at]].Out = cutSink.Schemas[pipeline.Posts]
	before.Sinks = append(before.Sinks, cutSink)
	return before, behind, checkSinks(before, behind)
}

// add adds a node to the graph.
func (g *Graph) add(n Node) {
	if len(g.Nodes) > Root && n.Input >= 0 {
		g.Nodes[n.Input].Readers = append(g.Nodes[n.Input].Readers, len(g.Nodes))
	}
	g.Stages = max(g.Stages, n.Stage+1)
	g.Nodes = append(g.Nodes, n)
}

// checkSinks refuses sinks that can not be where the cut puts them.
func checkSinks(before, behind *Graph) error {
	var errs []error
	for i := range behind.Sinks {
		s := &behind.Sinks[i]
		if s.local {
			errs = append(errs, s.component.Locate(errLocal))
			continue
		}
		one, ok := s.Plan.(pipeline.Single)
		if ok && one.Single() && slices.ContainsFunc(before.Sinks, func(b Sink) bool { return b.Name == s.Name }) {
			errs = append(errs, s.component.Locate(errors.New("it takes rows of both sides of the repartition step, and a process can have it once only: say by `from` what it takes, such as [posts, detections], or use another sink for the rest")))
		}
	}
	return errors.Join(errs...)
}
