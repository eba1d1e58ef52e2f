package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/reference"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// version is set by the release build.
var version = "dev"

func validateCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "validate PIPELINE.yaml ...",
		Short: "Check pipeline files, and the rules and lists that they name, without running",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, path := range args {
				b, err := f.build(path, nil, graph.Options{})
				if err != nil {
					return err
				}
				for _, caution := range b.cut.cautions() {
					fmt.Fprintf(c.ErrOrStderr(), "warning: %v\n", caution)
				}
				fmt.Fprintf(c.OutOrStdout(), "%s: ok: pipeline %s, %d steps, %d sinks\n", path, b.spec.Pipeline, len(b.spec.Steps), len(b.spec.Sinks))
			}
			return nil
		},
	}
	f.add(c)
	return c
}

func graphCommand() *cobra.Command {
	var f fileFlags
	var format string
	c := &cobra.Command{
		Use:   "graph PIPELINE.yaml",
		Short: "Print the graph of a pipeline, with the columns that each step adds",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := f.build(args[0], nil, graph.Options{})
			if err != nil {
				return err
			}
			return usage(b.graph.Print(c.OutOrStdout(), format))
		},
	}
	f.add(c)
	c.Flags().StringVarP(&format, "format", "f", "text", strings.Join(graph.Formats, ", "))
	return c
}

func componentsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "components [NAME]",
		Short: "List the sources, operators and sinks, or the fields of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listComponents(c.OutOrStdout())
			}
			return showComponent(c.OutOrStdout(), args[0])
		},
	}
}

func groups() []struct {
	name string
	list []pipeline.Factory
} {
	cat := catalog()
	return []struct {
		name string
		list []pipeline.Factory
	}{{"sources", cat.Sources}, {"operators", cat.Operators}, {"sinks", cat.Sinks}}
}

func listComponents(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range groups() {
		fmt.Fprintf(tw, "%s:\n", g.name)
		for _, f := range g.list {
			fmt.Fprintf(tw, "  %s\t%s\n", f.Name, f.Summary)
		}
	}
	fmt.Fprintln(tw, "\n`sluice components NAME` shows the fields of one.")
	return tw.Flush()
}

func showComponent(w io.Writer, name string) error {
	var all []pipeline.Factory
	found := false
	for _, g := range groups() {
		all = append(all, g.list...)
		for _, f := range g.list {
			if f.Name != name {
				continue
			}
			found = true
			fmt.Fprintf(w, "%s (%s): %s\n\n", f.Name, strings.TrimSuffix(g.name, "s"), f.Summary)
			if f.Doc != "" {
				fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(f.Doc))
			}
			tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			for _, d := range config.FieldDocs(f.NewConfig()) {
				fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", d.Path, d.Type, defaultText(d), d.Doc)
			}
			if err := tw.Flush(); err != nil {
				return err
			}
			if f.Example != "" {
				fmt.Fprintf(w, "\nexample:\n%s\n", indent(strings.TrimSpace(f.Example)))
			}
		}
	}
	if !found {
		_, err := find(all, "component", name)
		return err
	}
	return nil
}

func defaultText(d config.FieldDoc) string {
	switch {
	case d.Required:
		return "required"
	case d.Default == "":
		return ""
	}
	return "= " + d.Default
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func createCommand() *cobra.Command {
	var name, source, sink string
	var steps []string
	c := &cobra.Command{
		Use:   "create",
		Short: "Write a commented starter pipeline to standard output",
		Example: `  sluice create > pipeline.yaml
  sluice create --source file --steps normalize,tokenize,match --sink stdout > pipeline.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cat := catalog()
			src, err := find(cat.Sources, "source", source)
			if err != nil {
				return err
			}
			var ops []pipeline.Factory
			for _, s := range steps {
				op, err := find(cat.Operators, "operator", s)
				if err != nil {
					return err
				}
				ops = append(ops, op)
			}
			snk, err := find(cat.Sinks, "sink", sink)
			if err != nil {
				return err
			}
			out, err := reference.Starter(name, src, ops, []pipeline.Factory{snk})
			if err != nil {
				return usage(err)
			}
			_, err = c.OutOrStdout().Write(out)
			return err
		},
	}
	c.Flags().StringVar(&name, "name", "firehose", "name of the pipeline")
	c.Flags().StringVar(&source, "source", "generate", "kind of source")
	c.Flags().StringSliceVar(&steps, "steps", []string{"normalize", "tokenize", "fingerprint"}, "kinds of operators, in order")
	c.Flags().StringVar(&sink, "sink", "clickhouse", "kind of sink")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			rev := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						rev = " " + s.Value[:min(12, len(s.Value))]
					}
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "sluice %s%s %s/%s %s\n", version, rev, runtime.GOOS, runtime.GOARCH, runtime.Version())
		},
	}
}

// referenceCommand writes what docs/reference holds; a test checks that the
// committed files are what it writes.
func referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference DIR", Short: "Write the reference and the JSON Schema of pipeline files", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			files, err := referenceFiles()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for name, data := range files {
				if err := os.WriteFile(filepath.Join(args[0], name), data, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func referenceFiles() (map[string][]byte, error) {
	cat := catalog()
	if err := cat.Check(); err != nil {
		return nil, err
	}
	files := reference.Markdown(cat)
	schema, err := reference.JSONSchema(cat)
	files["pipeline.schema.json"] = schema
	return files, err
}
