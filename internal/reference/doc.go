// Package reference writes what people read about the components, from the
// components themselves: the Markdown reference, the JSON Schema that editors
// complete and check pipeline files with, and commented starter files. All of
// it comes from the factories' texts and from the tags and defaults of their
// configs, so it can not drift from the code.
package reference

import (
	"errors"
	"fmt"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

// Catalog lists the components of a build, in the order in which the reference
// shows them.
type Catalog struct {
	Sources, Operators, Sinks []pipeline.Factory
}

// Check looks at everything that the generators rely on: names that are unique
// in their group, texts that are there, config types that [config.Check]
// passes, and examples that decode and validate.
func (c Catalog) Check() error {
	var errs []error
	for _, g := range c.groups() {
		seen := make(map[string]bool)
		for _, f := range g.factories {
			fail := func(err error) { errs = append(errs, fmt.Errorf("%s %s: %w", g.one, f.Name, err)) }
			switch {
			case f.NewConfig == nil:
				fail(errors.New("the factory lacks NewConfig"))
				continue
			case seen[f.Name]:
				fail(errors.New("two factories have this name"))
			case f.Summary == "" || f.Doc == "":
				fail(errors.New("the factory lacks its Summary or Doc"))
			}
			seen[f.Name] = true
			if err := config.Check(f.NewConfig()); err != nil {
				fail(err)
			}
			if err := checkExample(g, f); err != nil {
				fail(fmt.Errorf("the example does not validate: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// group is one kind of component.
type group struct {
	one, title, file, intro string
	factories               []pipeline.Factory
}

func (c Catalog) groups() []group {
	return []group{
		{"source", "Sources", "sources.md", "A pipeline has one source. It reads records and knows how far it has read.", c.Sources},
		{"operator", "Operators", "operators.md", "The steps of a pipeline are operators. Each sees every post, in the order of the steps, and adds columns, emits detections or drops rows.", c.Operators},
		{"sink", "Sinks", "sinks.md", "A pipeline has one or more sinks. Each takes the streams that its `from` names, or its own choice where there is no `from`.", c.Sinks},
	}
}

// checkExample decodes a factory's example within a pipeline file.
func checkExample(g group, f pipeline.Factory) error {
	var source, step, sink *pipeline.Factory
	switch g.one {
	case "source":
		source = &f
	case "operator":
		step = &f
	default:
		sink = &f
	}
	var text []byte
	text = append(text, "pipeline: example\n"...)
	text = append(text, componentText("source", source, "placeholder", false)...)
	if step != nil {
		text = append(text, componentText("steps", step, "", true)...)
	}
	text = append(text, componentText("sinks", sink, "placeholder", true)...)
	return decodeAll("example.yaml", text, f, g.one)
}

// componentText writes a top-level key with one component and its example.
func componentText(key string, f *pipeline.Factory, placeholder string, inList bool) string {
	name, example := placeholder, ""
	if f != nil {
		name, example = f.Name, f.Example
	}
	dash, pad := "  ", "    "
	if inList {
		dash, pad = "  - ", "      "
	}
	return key + ":\n" + dash + name + ":\n" + indent(example, pad)
}

// decodeAll parses text and decodes the component that f makes.
func decodeAll(name string, text []byte, f pipeline.Factory, one string) error {
	spec, err := config.Parse(name, text, exampleOptions())
	if err != nil {
		return err
	}
	c := spec.Source
	switch one {
	case "operator":
		c = spec.Steps[0]
	case "sink":
		c = spec.Sinks[0]
	}
	return c.Decode(f.NewConfig())
}

// exampleOptions give every variable and file of an example a harmless value.
func exampleOptions() config.Options {
	return config.Options{
		Env:      func(string) (string, bool) { return "example", true },
		ReadFile: func(string) ([]byte, error) { return []byte("example"), nil },
		Glob:     func(string) ([]string, error) { return nil, nil },
	}
}
