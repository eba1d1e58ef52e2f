package reference

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
)

const generated = "<!-- Generated from the config types: edit those, not this file. -->\n"

// Markdown returns the pages of the reference by file name: config.md for the
// pipeline file as a whole, sources.md, operators.md and sinks.md.
func Markdown(c Catalog) map[string][]byte {
	pages := map[string][]byte{"config.md": configPage()}
	for _, g := range c.groups() {
		pages[g.file] = groupPage(g)
	}
	return pages
}

func groupPage(g group) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n# %s\n\n%s\n\n", generated, g.title, g.intro)
	fmt.Fprintf(&b, "| %s | what it does |\n|---|---|\n", g.one)
	for _, f := range g.factories {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", f.Name, f.Name, cell(f.Summary))
	}
	for _, f := range g.factories {
		b.WriteString("\n")
		component(&b, g, f)
	}
	return b.Bytes()
}

func component(b *bytes.Buffer, g group, f pipeline.Factory) {
	fmt.Fprintf(b, "## %s\n\n%s\n", f.Name, sentence(f.Summary))
	if doc := strings.TrimSpace(f.Doc); doc != "" {
		fmt.Fprintf(b, "\n%s\n", doc)
	}
	if len(f.Takes) > 0 {
		names := make([]string, 0, len(f.Takes))
		for _, s := range f.Takes {
			names = append(names, s.String())
		}
		fmt.Fprintf(b, "\nWithout `from` it takes: %s.\n", strings.Join(names, ", "))
	}
	switch g.one {
	case "source":
		fmt.Fprintf(b, "\n```yaml\nsource:\n  %s:%s\n```\n", f.Name, exampleBody(f, "    "))
	case "operator":
		fmt.Fprintf(b, "\n```yaml\nsteps:\n  - %s:%s\n```\n", f.Name, exampleBody(f, "      "))
	case "sink":
		fmt.Fprintf(b, "\n```yaml\nsinks:\n  - %s:%s\n```\n", f.Name, exampleBody(f, "      "))
	}
	docs := config.FieldDocs(f.NewConfig())
	if len(docs) == 0 {
		b.WriteString("\nIt has no settings.\n")
		return
	}
	b.WriteString("\n")
	settings(b, docs)
}

func exampleBody(f pipeline.Factory, pad string) string {
	if strings.TrimSpace(f.Example) == "" {
		return " {}"
	}
	return "\n" + strings.TrimRight(indent(f.Example, pad), "\n")
}

// settings writes a table of keys.
func settings(b *bytes.Buffer, docs []config.FieldDoc) {
	b.WriteString("| setting | type | default | meaning |\n|---|---|---|---|\n")
	for _, d := range docs {
		def := ""
		if d.Default != "" {
			def = "`" + cell(d.Default) + "`"
		} else if d.Required {
			def = "required"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", d.Path, d.Type, def, cell(meaning(d, docs)))
	}
}

// meaning is a key's doc line with the rules that hold for it.
func meaning(d config.FieldDoc, all []config.FieldDoc) string {
	parts := []string{docSentence(d.Doc, d.Enum)}
	if !mentions(d.Doc, d.Enum) {
		parts = append(parts, "One of `"+strings.Join(d.Enum, "`, `")+"`.")
	}
	switch {
	case d.Min != "" && d.Max != "":
		parts = append(parts, "From "+d.Min+" to "+d.Max+".")
	case d.Min != "":
		parts = append(parts, "At least "+d.Min+".")
	case d.Max != "":
		parts = append(parts, "At most "+d.Max+".")
	}
	if d.OneOf != "" {
		how := "Exactly one"
		if strings.HasSuffix(d.OneOf, "?") {
			how = "At most one"
		}
		parts = append(parts, fmt.Sprintf("%s of %s may be set.", how, strings.Join(groupKeys(d, all), ", ")))
	}
	if d.Example != "" {
		parts = append(parts, "For example `"+d.Example+"`.")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// groupKeys lists the keys of which d is one to choose.
func groupKeys(d config.FieldDoc, all []config.FieldDoc) []string {
	section := func(path string) string { return path[:strings.LastIndexByte(path, '.')+1] }
	var keys []string
	for _, o := range all {
		if o.OneOf == d.OneOf && section(o.Path) == section(d.Path) {
			keys = append(keys, "`"+strings.TrimPrefix(o.Path, section(o.Path))+"`")
		}
	}
	return keys
}

// sentence ends a doc line with a full stop and starts it with a capital.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if c := s[0]; c >= 'a' && c <= 'z' && !strings.ContainsAny(firstWord(s), "._/") {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// docSentence is sentence for a doc line; a value of the key's own at its
// beginning stays in lower case.
func docSentence(doc string, enum []string) string {
	s := sentence(doc)
	if slices.Contains(enum, firstWord(doc)) {
		return doc[:1] + s[1:]
	}
	return s
}

// mentions tells whether a doc line names all values of an enum.
func mentions(doc string, enum []string) bool {
	return !slices.ContainsFunc(enum, func(v string) bool { return !strings.Contains(doc, v) })
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return strings.TrimRight(w, ".,:;")
}

// cell makes text fit for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}

func indent(text, pad string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n "), "\n") {
		if strings.TrimSpace(line) != "" {
			b.WriteString(pad + line)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func configPage() []byte {
	var b bytes.Buffer
	b.WriteString(generated + configIntro)
	settings(&b, config.TopLevel().Docs())
	b.WriteString(configRest)
	for _, v := range config.ExemptVariables() {
		fmt.Fprintf(&b, "- `%s`\n", v)
	}
	return b.Bytes()
}

const configIntro = `
# The pipeline file

` + "```yaml" + `
pipeline: firehose
source:
  file: { paths: [posts.ndjson] }
steps:
  - normalize
  - tokenize
sinks:
  - clickhouse: { embedded: { path: ./data/clickhouse } }
` + "```" + `

Source, steps and sinks name components: see [sources](sources.md),
[operators](operators.md) and [sinks](sinks.md). Each entry is a mapping with
exactly one key, the component's kind; ` + "`- normalize`" + ` is short for
` + "`- normalize: {}`" + `. Every component may have a ` + "`name`" + `: a lower-case letter,
then letters, digits or _. Without one it is called after its kind, with _2, _3
and so on for further ones of that kind.

A step reads the posts that leave the step before it, unless ` + "`from`" + ` names
another earlier step: so the graph may branch. A sink may say with ` + "`from`" + `, one or a
list, what it takes: a stream (posts: those of the last step; detections and
rejected: those of all), a step (the posts that leave it), or a stream of one
step (` + "`match.rejected`" + `).

`

const configRest = `
## Layers

Later ones win: included files, the file itself, environment variables,
` + "`--set`" + ` flags. Mappings are merged key by key, anything else is replaced,
except that the steps and sinks of included files come before the file's own,
and that a source of another kind replaces the earlier one as a whole.

` + "```sh" + `
SLUICE_ENGINE__WORKERS=4 sluice run pipeline.yaml --set steps.0.match.lists.terms.path=terms.csv
` + "```" + `

In a variable's name a double underscore separates levels. List entries are
addressed by number. A value that starts with [, {, " or ' is read as YAML, any
other is taken as it stands. In a ` + "`--set`" + ` path a dot within a key is
written ` + "`\\.`" + `.

## Values from outside

| written | stands for |
|---|---|
| ` + "`${NAME}`" + ` | the environment variable; an error if it is not set |
| ` + "`${NAME:default}`" + ` | the default if it is unset or empty |
| ` + "`${file:/run/secrets/x}`" + ` | the file's content, at most 64 KiB, less a newline at its end |
| ` + "`$${`" + ` | a plain ` + "`${`" + ` |

What comes in is one value, or part of one: it can not add keys or lists. Error
messages show what the file says and never what it stands for.

## Forms of values

| type | written |
|---|---|
| bool | ` + "`true`, `false`" + ` |
| number | as in JSON: ` + "`10`, `0.5`, `1e6`" + ` |
| size | ` + "`65536`, `64KiB`, `1.5MB`, `2GiB`" + ` |
| duration | ` + "`250ms`, `30s`, `15m`, `1h30m`, `2d`" + ` |
| list | ` + "`[a, b]`" + `; a single text or number stands for a list of one |

Top-level keys that start with ` + "`x-`" + ` are ignored: a place for YAML anchors. A file
has at most 1 MiB, 64 levels and 100,000 values.

## Variables that are not settings

Any SLUICE_ variable that names no setting is an error, except for those that
Kubernetes sets for services, and these:

`
