package graph

import (
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// Formats are what Print knows.
var Formats = []string{"text", "mermaid", "dot"}

// Print writes the graph in one of Formats.
func (g *Graph) Print(w io.Writer, format string) error {
	var b strings.Builder
	switch format {
	case "text":
		g.text(&b)
	case "mermaid":
		g.mermaid(&b)
	case "dot":
		g.dot(&b)
	default:
		return fmt.Errorf("graph: there is no format %q: choose one of %s", format, strings.Join(Formats, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text prints a step a paragraph: what it reads, the columns that it adds.
func (g *Graph) text(b *strings.Builder) {
	fmt.Fprintf(b, "pipeline %s\n", g.Pipeline)
	for i, n := range g.Nodes {
		title := n.Name
		if n.Kind != n.Name {
			title += " (" + n.Kind + ")"
		}
		if i == Root {
			title = "source " + n.Kind + ", decoded"
		}
		fmt.Fprintf(b, "\n%s", title)
		if i != Root {
			fmt.Fprintf(b, "  ◀ %s", g.label(n.Input))
		}
		if n.Key >= 0 {
			fmt.Fprintf(b, "  by key %s", g.Nodes[n.Input].Out.Field(n.Key).Name)
		}
		b.WriteByte('\n')
		for _, line := range describe(n) {
			fmt.Fprintf(b, "    %s\n", line)
		}
		added := g.added(n)
		width := 0
		for _, f := range added {
			width = max(width, len(f.Name))
		}
		for _, f := range added {
			fmt.Fprintf(b, "    + %-*s  %s%s\n", width, f.Name, TypeName(f), note(f))
		}
		for _, s := range n.Emits {
			fmt.Fprintf(b, "    → %s\n", s)
		}
	}
	for _, s := range g.Sinks {
		fmt.Fprintf(b, "\nsink %s", s.Name)
		if s.Kind != s.Name {
			fmt.Fprintf(b, " (%s)", s.Kind)
		}
		b.WriteByte('\n')
		for _, p := range s.Ports {
			fmt.Fprintf(b, "    ◀ %s of %s\n", p.Stream, g.label(p.Node))
		}
	}
}

func note(f arrow.Field) string {
	out := ""
	if f.Nullable {
		out += ", nullable"
	}
	if pipeline.IsTransient(f) {
		out += "  (not stored)"
	}
	return out
}

// TypeName writes a field's type as the reference does: string, list<uint32>.
func TypeName(f arrow.Field) string {
	switch t := f.Type.(type) {
	case *arrow.ListType:
		return "list<" + TypeName(arrow.Field{Type: t.Elem()}) + ">"
	case *arrow.TimestampType:
		return "timestamp"
	case *arrow.StringType:
		return "string"
	default:
		return t.String()
	}
}

// added returns the columns that leave n and did not reach it.
func (g *Graph) added(n Node) []arrow.Field {
	if n.Input < 0 {
		return n.Out.Fields()
	}
	var out []arrow.Field
	for _, f := range n.Out.Fields() {
		if !g.Nodes[n.Input].Out.HasField(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

func describe(n Node) []string {
	if d, ok := n.Plan.(pipeline.Describer); ok {
		return d.Describe()
	}
	return nil
}

func (g *Graph) label(node int) string {
	if node == Root {
		return g.Nodes[Root].Kind
	}
	return g.Nodes[node].Name
}

// edges calls edge for each arrow of the picture: node to node, node to sink.
func (g *Graph) edges(edge func(from, to, label string)) {
	for i, n := range g.Nodes {
		if i != Root {
			edge(nodeID(n.Input), nodeID(i), fmt.Sprintf("%d columns", g.Nodes[n.Input].Out.NumFields()))
		}
	}
	for i, s := range g.Sinks {
		for _, p := range s.Ports {
			edge(nodeID(p.Node), fmt.Sprintf("k%d", i), p.Stream.String())
		}
	}
}

func nodeID(i int) string { return fmt.Sprintf("n%d", i) }

func (g *Graph) mermaid(b *strings.Builder) {
	b.WriteString("flowchart LR\n")
	for i, n := range g.Nodes {
		open, end := "[", "]"
		if i == Root {
			open, end = "([", "])"
		}
		label := strings.Join(append([]string{g.label(i)}, describe(n)...), "<br/>")
		fmt.Fprintf(b, "  %s%s\"%s\"%s\n", nodeID(i), open, mermaidEscaper.Replace(label), end)
	}
	for i, s := range g.Sinks {
		fmt.Fprintf(b, "  k%d[(\"%s\")]\n", i, mermaidEscaper.Replace(s.Name))
	}
	g.edges(func(from, to, label string) { fmt.Fprintf(b, "  %s -->|%s| %s\n", from, label, to) })
}

// mermaidEscaper keeps list and step names from ending a label.
var mermaidEscaper = strings.NewReplacer(`"`, "#quot;", "<br/>", "<br/>", "<", "&lt;", ">", "&gt;")

func (g *Graph) dot(b *strings.Builder) {
	fmt.Fprintf(b, "digraph %q {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n", g.Pipeline)
	for i, n := range g.Nodes {
		shape := ""
		if i == Root {
			shape = ", shape=ellipse"
		}
		fmt.Fprintf(b, "  %s [label=%q%s];\n", nodeID(i), strings.Join(append([]string{g.label(i)}, describe(n)...), "\n"), shape)
	}
	for i, s := range g.Sinks {
		fmt.Fprintf(b, "  k%d [label=%q, shape=cylinder];\n", i, s.Name)
	}
	g.edges(func(from, to, label string) { fmt.Fprintf(b, "  %s -> %s [label=%q];\n", from, to, label) })
	b.WriteString("}\n")
}
