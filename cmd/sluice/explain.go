package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// maxExplained bounds the text that explain reads, in bytes.
const maxExplained = 1 << 20

// explainFlags are what explain is told.
type explainFlags struct {
	file     fileFlags
	pipeline string
	text     string
	post     string
	terms    []string
	view     string
	format   string
	color    string
}

func explainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain --text TEXT",
		Short: "Show what the steps make of one post: views, tokens, fingerprints, hits, scores, detections",
		Long: `Explain runs one post through the steps of a pipeline and shows what each of
them made of it, with the hits marked in the text. Without a pipeline it runs
normalize, tokenize, language and fingerprint, and match for the terms of
--term. All views of the text are shown, those that the pipeline does not make too.

The source is not read and nothing is written. Invisible and control characters
are printed as escapes, so a hostile text does nothing to the terminal.`,
		Example: `  sluice explain --text "f r e e  m0ney" --term "free money"
  sluice explain -p pipeline.yaml --text "..." --post '{"author_followers": 3}'
  sluice explain -p pipeline.yaml --text - < post.txt
  sluice explain -p pipeline.yaml --text "..." -f json | jq .posts`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
	f.file.add(c)
	fl := c.Flags()
	fl.StringVarP(&f.pipeline, "pipeline", "p", "", "pipeline file whose steps are run")
	fl.StringVar(&f.text, "text", "", "the post's text; - reads it from standard input")
	fl.StringVar(&f.post, "post", "", "further columns of the post, as a JSON object")
	fl.StringArrayVar(&f.terms, "term", nil, "without a pipeline: a term to look for (repeatable)")
	fl.StringVar(&f.view, "view", "squeezed", "without a pipeline: the view in which --term is looked for")
	fl.StringVarP(&f.format, "format", "f", "text", "text or json")
	fl.StringVar(&f.color, "color", "auto", "auto, always or never; auto heeds NO_COLOR")
	return c
}

func (f *explainFlags) run(ctx context.Context, in io.Reader, out io.Writer) error {
	if ctx == nil {
		ctx = context.Background()
	}
	color, err := wantsColor(f.color, out)
	if err != nil {
		return usage(err)
	}
	if f.format != "text" && f.format != "json" {
		return usage(fmt.Errorf("--format %q: write text or json", f.format))
	}
	post, err := f.readPost(in)
	if err != nil {
		return usage(err)
	}
	g, err := f.graph()
	if err != nil {
		return err
	}
	rec, err := postRecord(g, "explained", post)
	if err != nil {
		return usage(fmt.Errorf("--post: %w", err))
	}
	defer rec.Release()
	e, err := explainRecord(ctx, g, rec)
	if err != nil {
		return err
	}
	defer e.release()
	if err := e.addViews(ctx); err != nil {
		return err
	}
	if f.format == "json" {
		return e.json(out)
	}
	_, err = out.Write((&painter{explained: e, color: color}).paint())
	return err
}

// readPost returns the post's columns by name.
func (f *explainFlags) readPost(in io.Reader) (map[string]any, error) {
	post := map[string]any{}
	if f.post != "" {
		if err := json.Unmarshal([]byte(f.post), &post); err != nil {
			return nil, fmt.Errorf("--post is not a JSON object such as {\"lang\": \"en\"}: %w", err)
		}
	}
	switch {
	case f.text == "-":
		data, err := io.ReadAll(io.LimitReader(in, maxExplained+1))
		if err != nil {
			return nil, fmt.Errorf("read the text: %w", err)
		}
		post[pipeline.ColText] = strings.TrimSuffix(string(data), "\n")
	case f.text != "":
		post[pipeline.ColText] = f.text
	}
	text, ok := post[pipeline.ColText].(string)
	if !ok {
		return nil, errors.New("no text: give --text, or a text in --post")
	}
	if len(text) > maxExplained {
		return nil, fmt.Errorf("the text is longer than %d bytes: cut it", maxExplained)
	}
	post[pipeline.ColText] = strings.ToValidUTF8(text, "\uFFFD")
	return post, nil
}

// graph builds the steps of the pipeline file, or those for a text alone.
func (f *explainFlags) graph() (*graph.Graph, error) {
	if f.pipeline != "" {
		if len(f.terms) > 0 {
			return nil, usage(errors.New("--term is for a text without a pipeline: leave one of --term and --pipeline out"))
		}
		b, err := f.file.build(f.pipeline, nil, graph.Options{WithoutSinks: true})
		if err != nil {
			return nil, err
		}
		return b.graph, nil
	}
	steps := []any{
		map[string]any{"normalize": map[string]any{"views": []string{"folded", "skeleton", "squeezed"}, "evasion": true}},
		"tokenize", "language",
		map[string]any{"fingerprint": map[string]any{"minhash": map[string]any{"bands": 16}}},
	}
	if len(f.terms) > 0 {
		list := map[string]any{"terms": f.terms, "view": f.view}
		steps = append(steps, map[string]any{"match": map[string]any{"lists": map[string]any{"terms": list}}})
	}
	return buildSteps(steps, f.file.sets)
}

// buildSteps builds the graph of steps that no file has.
func buildSteps(steps []any, sets []string) (*graph.Graph, error) {
	raw, err := json.Marshal(map[string]any{
		"pipeline": "explain", "source": map[string]any{"generate": map[string]any{}}, "steps": steps, "sinks": []any{"discard"},
	})
	if err != nil {
		return nil, err
	}
	spec, err := config.Parse("explain", raw, config.Options{Sets: sets})
	if err != nil {
		return nil, usage(err)
	}
	reg, err := registry()
	if err != nil {
		return nil, err
	}
	g, err := graph.Build(spec, graph.Options{Registry: reg, WithoutSinks: true})
	return g, usage(err)
}

// addViews adds the views that the steps have not made.
func (e *explained) addViews(ctx context.Context) error {
	if e.has(pipeline.ColTextFolded) && e.has(pipeline.ColTextSkeleton) && e.has(pipeline.ColTextSqueezed) {
		return nil
	}
	g, err := buildSteps([]any{map[string]any{"normalize": map[string]any{"views": []string{"folded", "skeleton", "squeezed"}}}}, nil)
	if err != nil {
		return err
	}
	rec, err := postRecord(g, "explained", map[string]any{pipeline.ColText: e.text(pipeline.ColText)})
	if err != nil {
		return err
	}
	defer rec.Release()
	views, err := explainRecord(ctx, g, rec)
	if err != nil {
		return err
	}
	defer views.release()
	for _, c := range views.columns {
		if c.step != "" && !e.has(c.field.Name) {
			c.data.Retain()
			e.columns = append(e.columns, c)
		}
	}
	return nil
}

// wantsColor resolves the flag --color for a writer.
func wantsColor(flag string, out io.Writer) (bool, error) {
	switch flag {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		file, ok := out.(*os.File)
		return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd())), nil
	}
	return false, fmt.Errorf("--color %q: write auto, always or never", flag)
}

// explained is what the steps made of one post.
type explained struct {
	columns    []explainedColumn // of the post, in the order in which steps added them
	detections []arrow.Record    // one row or more each
	rejected   string            // the step that rejected the post
}

type explainedColumn struct {
	field arrow.Field
	data  arrow.Array // of one row
	step  string      // that added it; "" of the decoder's
}

// explainRecord runs a record of one post. The result must be released.
func explainRecord(ctx context.Context, g *graph.Graph, rec arrow.Record) (*explained, error) {
	e := &explained{}
	err := g.Trace(ctx, rec, func(node int, b pipeline.Batch) error {
		name := g.Nodes[node].Name
		switch {
		case b.Rows() == 0:
		case b.Stream == pipeline.Posts:
			if node == graph.Root {
				name = ""
			}
			e.add(b.Record, name)
		case b.Stream == pipeline.Detections:
			b.Record.Retain()
			e.detections = append(e.detections, b.Record)
		case b.Stream == pipeline.Rejected:
			e.rejected = name
		}
		return nil
	})
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// add keeps the columns that were not there before.
func (e *explained) add(rec arrow.Record, step string) {
	for i, f := range rec.Schema().Fields() {
		if e.find(f.Name) != nil {
			continue
		}
		data := rec.Column(i)
		data.Retain()
		e.columns = append(e.columns, explainedColumn{field: f, data: data, step: step})
	}
}

func (e *explained) release() {
	for _, c := range e.columns {
		c.data.Release()
	}
	for _, d := range e.detections {
		d.Release()
	}
}

func (e *explained) find(name string) arrow.Array {
	for _, c := range e.columns {
		if c.field.Name == name {
			return c.data
		}
	}
	return nil
}

// text returns a string column's value; "" where no step has made it.
func (e *explained) text(name string) string {
	if c, ok := e.find(name).(*array.String); ok {
		return c.Value(0)
	}
	return ""
}

// has reports whether a step has made the column.
func (e *explained) has(name string) bool { return e.find(name) != nil }

// json writes the post with all its columns, the transient ones too, and the
// detections.
func (e *explained) json(out io.Writer) error {
	post := map[string]any{}
	for _, c := range e.columns {
		post[c.field.Name] = c.data.GetOneForMarshal(0)
	}
	detections := []json.RawMessage{}
	for _, d := range e.detections {
		js, err := d.MarshalJSON()
		if err != nil {
			return err
		}
		var rows []json.RawMessage
		if err := json.Unmarshal(js, &rows); err != nil {
			return err
		}
		detections = append(detections, rows...)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"post": post, "detections": detections, "rejected_by": e.rejected})
}

// span is a piece of the text that something was found in.
type span struct {
	start, end int
	group      string // the list or head, which has one colour
}

// spans returns the pieces of the text that lists and scores point at, by
// start; those that are not in the text are left out.
func (e *explained) spans() []span {
	var out []span
	size := len(e.text(pipeline.ColText))
	add := func(groups, starts, ends arrow.Array, row int) {
		g, s, t := listOf(groups, row), listOf(starts, row), listOf(ends, row)
		for i := range min(len(g), len(s), len(t)) {
			from, to := int(number(s[i])), int(number(t[i]))
			if from < to && to <= size {
				out = append(out, span{from, to, fmt.Sprint(g[i])})
			}
		}
	}
	if e.has(pipeline.ColHitList) {
		add(e.find(pipeline.ColHitList), e.find(pipeline.ColHitStart), e.find(pipeline.ColHitEnd), 0)
	}
	for _, d := range e.detections {
		for row := range int(d.NumRows()) {
			add(columnOf(d, "spans.list"), columnOf(d, "spans.start"), columnOf(d, "spans.end"), row)
		}
	}
	slices.SortFunc(out, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.group, b.group))
	})
	return slices.Compact(out)
}

func columnOf(rec arrow.Record, name string) arrow.Array {
	if i := rec.Schema().FieldIndices(name); len(i) > 0 {
		return rec.Column(i[0])
	}
	return nil
}

// listOf returns the elements of a list column's row.
func listOf(col arrow.Array, row int) []any {
	l, ok := col.(*array.List)
	if !ok {
		return nil
	}
	from, to := l.ValueOffsets(row)
	out := make([]any, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, l.ListValues().GetOneForMarshal(int(i)))
	}
	return out
}

// number returns an element of a list of integers. Arrow hands bytes out as
// floats, so that JSON does not take them for text.
func number(v any) int64 {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case uint32:
		return int64(v)
	case int32:
		return int64(v)
	}
	return 0
}
