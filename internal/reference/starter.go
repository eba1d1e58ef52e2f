package reference

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

// detecting is the operator that makes detections.
const detecting = "rules"

// Starter returns a pipeline file with the given components, to begin with: the
// settings of each one's example, and every other setting commented out with
// its default, each under its doc line. The file is checked before it is
// returned: it loads, and each component's settings decode and validate.
func Starter(name string, source pipeline.Factory, steps []pipeline.Factory, sinks []pipeline.Factory) ([]byte, error) {
	w := &starter{}
	w.line(0, false, "# Check it with sluice validate, look at it with sluice graph, start it with")
	w.line(0, false, "# sluice run. Settings behind a # have their defaults: remove the # to change one.")
	w.line(0, false, "pipeline: "+name)
	w.line(0, false, "")
	w.line(0, false, "source:")
	if err := w.component(1, "", source, ""); err != nil {
		return nil, err
	}
	if len(steps) > 0 {
		w.line(0, false, "")
		w.line(0, false, "steps:")
	}
	detects := false
	for _, f := range steps {
		detects = detects || f.Name == detecting
		if err := w.component(1, "- ", f, ""); err != nil {
			return nil, err
		}
	}
	w.line(0, false, "")
	w.line(0, false, "sinks:")
	for _, f := range sinks {
		from := ""
		if !detects && !slices.Contains(f.Takes, pipeline.Posts) {
			from = "from: [posts] # without a " + detecting + " step there are no detections"
		}
		if err := w.component(1, "- ", f, from); err != nil {
			return nil, err
		}
	}
	for _, f := range config.TopLevel().Fields {
		if f.Shape.Kind == config.Section {
			w.line(0, false, "")
			w.field(0, f, nil)
		}
	}
	return w.out.Bytes(), checkStarter(w.out.Bytes(), source, steps, sinks)
}

// checkStarter loads what was written, so that nobody is given a bad start.
func checkStarter(text []byte, source pipeline.Factory, steps, sinks []pipeline.Factory) error {
	spec, err := config.Parse("starter.yaml", text, exampleOptions())
	if err != nil {
		return fmt.Errorf("reference: the starter file does not load: %w", err)
	}
	errs := []error{spec.Source.Decode(source.NewConfig())}
	for i, f := range steps {
		errs = append(errs, spec.Steps[i].Decode(f.NewConfig()))
	}
	for i, f := range sinks {
		errs = append(errs, spec.Sinks[i].Decode(f.NewConfig()))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reference: the starter file does not validate: %w", err)
	}
	return nil
}

// starter writes lines at an indent, some of them commented out.
type starter struct{ out bytes.Buffer }

func (w *starter) line(level int, off bool, text string) {
	if text == "" {
		w.out.WriteByte('\n')
		return
	}
	w.out.WriteString(strings.Repeat("  ", level))
	if off {
		w.out.WriteString("# ")
	}
	w.out.WriteString(text + "\n")
}

// component writes an entry: a first line of its own if there is one, what its
// example sets, and the rest commented out.
func (w *starter) component(level int, dash string, f pipeline.Factory, first string) error {
	set, err := exampleOf(f)
	if err != nil {
		return fmt.Errorf("reference: the example of %s: %w", f.Name, err)
	}
	w.line(level, false, "# "+sentence(f.Summary))
	w.line(level, false, dash+f.Name+":")
	body := level + 1 + len(dash)/2
	if first != "" {
		w.line(body, false, first)
	}
	w.fields(body, config.Describe(f.NewConfig()), set)
	return nil
}

// fields writes the keys of a section: those that the mapping set has with its
// values, and the others commented out.
func (w *starter) fields(level int, s *config.Shape, set *yaml.Node) {
	given := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(set.Content); i += 2 {
		given[set.Content[i].Value] = set.Content[i+1]
	}
	for _, f := range s.Fields {
		w.field(level, f, given[f.Key])
		delete(given, f.Key)
	}
	for i := 0; i+1 < len(set.Content); i += 2 {
		if key := set.Content[i].Value; given[key] != nil {
			w.value(level, key, given[key])
		}
	}
}

// exampleOf parses a factory's example, a mapping.
func exampleOf(f pipeline.Factory) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(f.Example), &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	m := doc.Content[0]
	if m.Kind != yaml.MappingNode {
		return nil, errors.New("it is not a mapping")
	}
	return m, nil
}

// field writes one key under its doc line: with the value given, or commented
// out with its default.
func (w *starter) field(level int, f config.Field, set *yaml.Node) {
	for _, l := range wrap(comment(f), 90-2*level) {
		w.line(level, false, "# "+l)
	}
	switch {
	case set == nil:
	case set.Kind == yaml.MappingNode && f.Shape.Kind == config.Section && len(f.Shape.Fields) > 0:
		w.line(level, false, f.Key+":")
		w.fields(level+1, f.Shape, set)
		return
	default:
		w.value(level, f.Key, set)
		return
	}
	if f.Shape.Kind == config.Section && len(f.Shape.Fields) > 0 {
		w.line(level, true, f.Key+":")
		for _, sub := range f.Shape.Fields {
			w.nested(level, 1, sub)
		}
		return
	}
	w.line(level, true, f.Key+": "+sample(f))
}

// nested writes a key of a section that is commented out: the # stays in the
// section's own column, so that removing it from a block leaves valid YAML.
func (w *starter) nested(level, depth int, f config.Field) {
	pad := strings.Repeat("  ", depth)
	for _, l := range wrap(comment(f), 90-2*level-2*depth) {
		w.line(level, true, pad+"# "+l)
	}
	if f.Shape.Kind == config.Section && len(f.Shape.Fields) > 0 {
		w.line(level, true, pad+f.Key+":")
		for _, sub := range f.Shape.Fields {
			w.nested(level, depth+1, sub)
		}
		return
	}
	w.line(level, true, pad+f.Key+": "+sample(f))
}

// sample is what stands behind a key that is commented out.
func sample(f config.Field) string {
	switch {
	case f.Default != nil:
		return config.WriteValue(f.Default)
	case f.Example != "":
		return f.Example
	case f.Shape.Kind == config.List:
		return "[]"
	case f.Shape.Kind == config.Map, f.Shape.Kind == config.Section:
		return "{}"
	case len(f.Enum) > 0:
		return f.Enum[0]
	}
	return `""`
}

// comment is a key's doc line with what may stand there.
func comment(f config.Field) string {
	s := docSentence(f.Doc, f.Enum)
	if !mentions(f.Doc, f.Enum) {
		s += " One of " + strings.Join(f.Enum, ", ") + "."
	}
	if f.Required {
		s += " Required."
	}
	return s
}

// value writes a key with a value in the form that the example has.
func (w *starter) value(level int, key string, n *yaml.Node) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	m := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, n}}
	if err := enc.Encode(m); err != nil {
		return // the check of the whole file reports what is missing
	}
	for l := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
		w.line(level, false, l)
	}
}

// wrap breaks text into lines of about width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
