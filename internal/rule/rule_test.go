package rule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// files are rule files by path.
type files map[string]string

func (f files) ReadFile(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, fmt.Errorf("%s: no such file", path)
}

func (f files) Glob(pattern string) (out []string, err error) {
	for p := range f {
		if p == pattern || strings.HasSuffix(pattern, "*") && strings.HasPrefix(p, pattern[:len(pattern)-1]) {
			out = append(out, p)
		}
	}
	return out, nil
}

// testSchema is the decoder's columns with those of tokenize, match and window
// steps behind them.
func testSchema() *arrow.Schema {
	i32 := arrow.PrimitiveTypes.Int32
	return pipeline.PostsSchema(
		arrow.Field{Name: pipeline.ColURLDomains, Type: pipeline.ListOf(arrow.BinaryTypes.String)},
		arrow.Field{Name: pipeline.ColTokenCount, Type: arrow.PrimitiveTypes.Uint32},
		arrow.Field{Name: pipeline.ColTextHash, Type: arrow.PrimitiveTypes.Uint64},
		arrow.Field{Name: "match.banned_terms", Type: i32},
		arrow.Field{Name: "match.news_context", Type: i32},
		arrow.Field{Name: "toxicity", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		arrow.Field{Name: "blob", Type: arrow.BinaryTypes.Binary, Nullable: true},
	)
}

func testEnv(t testing.TB) *Env {
	t.Helper()
	env, err := NewEnv(testSchema(), NewList("short_links", "Short.example", "tiny.example"), NewList("banned_terms", "blorb"))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// TestFiles runs the cases of testdata/files: "load" shows the mistakes of rule
// files, or the rules; a line "=== path" begins a file.
func TestFiles(t *testing.T) {
	env := testEnv(t)
	datadriven.Walk(t, "testdata/files", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			set, err := Load(splitFiles(d.Input), []string{"*"})
			if err == nil {
				_, err = env.Compile(set)
			}
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			for _, r := range set.Rules {
				fmt.Fprintf(&b, "%s v%d %s %s owner=%q labels=%q tests=%d at %s\n", r.ID, r.Version, r.Severity, r.Mode, r.Owner, r.Labels, len(r.Tests), r.Pos)
				if d.HasArg("hash") {
					fmt.Fprintf(&b, "  %s\n", r.Hash)
				}
				if d.HasArg("posts") {
					for _, tt := range r.Tests {
						js, _ := json.Marshal(tt.Post)
						fmt.Fprintf(&b, "  %s %s\n", tt.Expect, js)
					}
				}
			}
			return b.String()
		})
	})
}

func splitFiles(in string) files {
	out := files{}
	name, body := "rules.yaml", []string{}
	for l := range strings.SplitSeq(in, "\n") {
		if p, ok := strings.CutPrefix(l, "=== "); ok {
			if len(body) > 0 {
				out[name] = strings.Join(body, "\n")
			}
			name, body = p, nil
			continue
		}
		body = append(body, l)
	}
	out[name] = strings.Join(body, "\n")
	return out
}

// TestConditions runs the cases of testdata/eval: "posts" sets the rows as JSON
// lines; "eval" shows the value of each condition on each row; "error" shows
// what is wrong with a condition.
func TestConditions(t *testing.T) {
	env := testEnv(t)
	datadriven.Walk(t, "testdata/eval", func(t *testing.T, path string) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		var rec arrow.Record
		defer func() { rec.Release() }()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "posts" {
				var rows []pipelinetest.Row
				for l := range strings.SplitSeq(d.Input, "\n") {
					var r pipelinetest.Row
					if err := json.Unmarshal([]byte(l), &r); err != nil {
						t.Fatal(err)
					}
					rows = append(rows, r)
				}
				rec = pipelinetest.Record(t, mem, testSchema(), rows)
				return fmt.Sprintf("%d rows\n", rec.NumRows())
			}
			var b strings.Builder
			for when := range strings.SplitSeq(d.Input, "\n") {
				b.WriteString(evalOne(t, env, rec, when) + "\n")
			}
			return b.String()
		})
	})
}

// evalOne prints a condition's values as one letter a row: T, f or E.
func evalOne(t *testing.T, env *Env, rec arrow.Record, when string) string {
	set, err := NewSet(&Rule{ID: "r", Mode: Live, When: when, Pos: Pos{File: "when"}})
	if err != nil {
		t.Fatal(err)
	}
	prog, err := env.Compile(set)
	if err != nil {
		return err.Error()
	}
	vs, err := prog.NewEvaluator().Verdict(rec, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(vs))
	for i, v := range vs {
		out[i] = "fTE"[v]
	}
	how := "lowered"
	if prog.Stats().Interpreted > 0 {
		how = "interpreted"
	}
	if prog.Stats().Indexed > 0 {
		how += ", indexed"
	}
	return fmt.Sprintf("%s  %s  (%s)", out, when, how)
}

// TestHashCovers checks that the hash changes with what decides a detection,
// and with nothing else.
func TestHashCovers(t *testing.T) {
	base := "- id: a\n  version: 1\n  owner: o\n  severity: low\n  mode: live\n  labels: [x, y]\n  when: b\n"
	hash := func(s string) string {
		rules, err := ParseFile("f", []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return rules[0].Hash
	}
	for _, c := range []struct{ from, to string }{
		{"id: a", "id: b"},
		{"version: 1", "version: 2"},
		{"owner: o", "owner: p"},
		{"severity: low", "severity: high"},
		{"mode: live", "mode: shadow"},
		{"[x, y]", "[x]"},
		{"[x, y]", "[xy]"},
		{"when: b", "when: c"},
	} {
		if hash(base) == hash(strings.Replace(base, c.from, c.to, 1)) {
			t.Errorf("%q -> %q does not change the hash", c.from, c.to)
		}
	}
	same := "# a comment\n- when: 'b'\n  id: a\n  description: words\n  runbook: https://wiki.example.org/b\n  owner: o\n  labels:\n  - x\n  - y\n  severity: low\n"
	if hash(base) != hash(same) {
		t.Error("layout, description, runbook or defaults change the hash")
	}
}

// TestPlacesOfEveryStyle puts an unknown name at each word of a condition, in
// every scalar style, and checks that the error points at it.
func TestPlacesOfEveryStyle(t *testing.T) {
	env := testEnv(t)
	for name, tmpl := range map[string]string{
		"literal":         "- id: a\n  when: |\n    size(text) > 1\n      && kind == \"日本\" && %s\n\n    && lang == \"x\"\n",
		"literal indent":  "- id: a\n  when: |2-  # why\n      size(text) > 1 && %s\n",
		"literal crlf":    "- id: a\r\n  when: |\r\n    size(text) > 1\r\n    && %s\r\n",
		"folded":          "- id: a\n  when: >-\n    size(text) > 1\n\n    && kind == \"日本\"\n    && %s &&\n    lang == \"x\"\n",
		"plain":           "- id: a\n  when: size(text) > 1\n    && kind == \"日本\"\n\n    && %s && lang == \"x\"\n",
		"single":          "- id: a\n  when: 'kind == \"it''s\" &&\n     size(text) > 1 && %s'\n",
		"double":          "- id: a\n  when: \"kind == \\\"\\u65e5\\x41\\t\\\" && \\\n     size(text) > 1\n\n     && %s\"\n",
		"flow":            "- {id: a, when: size(text) > 1 && %s}\n",
		"after a comment": "# 日本\n\n- id: a # x\n  when: | # y\n\n    %s\n    && lang == 'x'\n",
	} {
		t.Run(name, func(t *testing.T) {
			src := fmt.Sprintf(tmpl, "nowhere")
			want := Pos{File: "f"}
			for i, l := range strings.Split(src, "\n") {
				if before, _, ok := strings.Cut(l, "nowhere"); ok {
					want.Line, want.Col = i+1, len([]rune(before))+1
				}
			}
			rules, err := ParseFile("f", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			set, _ := NewSet(rules...)
			_, err = env.Compile(set)
			var errs Errors
			if !errors.As(err, &errs) || len(errs) != 1 {
				t.Fatalf("got %v, want one error", err)
			}
			if diff := cmp.Diff(want, errs[0].Pos); diff != "" {
				t.Errorf("%s\nin\n%s\n%s", errs[0], src, diff)
			}
		})
	}
}

// TestRunTests checks which tests fail, with which words.
func TestRunTests(t *testing.T) {
	rules, err := ParseFile("r.yaml", []byte(`
- id: a
  when: lang == "x"
  tests:
  - {post: {lang: x}, expect: match}
  - {name: other language, post: {lang: "y"}, expect: match}
  - {post: {lang: x}, expect: no_match}
  - {post: {lang: bad}, expect: no_match}
- id: b
  when: size(text) == 0
- id: c
  mode: off
  when: size(text) == 0
  tests:
  - {post: {lang: x}, expect: match}
`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewSet(rules...)
	if err != nil {
		t.Fatal(err)
	}
	report, err := RunTests(context.Background(), set, func(_ context.Context, posts []map[string]any) (out []Outcome, _ error) {
		for _, p := range posts {
			o := Outcome{Fired: []FiredRule{{ID: "b"}}}
			switch p["lang"] {
			case "x":
				o.Fired = append(o.Fired, FiredRule{ID: "a", Values: []string{"lang=x"}})
			case "bad":
				o = Outcome{Rejected: "lang: too bad"}
			}
			out = append(out, o)
		}
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Failures {
		got = append(got, f.Error())
	}
	want := []string{
		`r.yaml:6:5: rule "a": other language: expected match, but it did not match (fired: b)`,
		`r.yaml:7:5: rule "a": test 3: expected no_match, but it matched with lang=x (fired: b)`,
		`r.yaml:8:5: rule "a": test 4: the post was rejected: lang: too bad`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if report.Passed != 1 || report.Skipped != 1 || len(report.Untested) != 1 || report.Untested[0].ID != "b" {
		t.Errorf("passed %d, skipped %d, untested %v", report.Passed, report.Skipped, report.Untested)
	}
}

// TestExplain checks what is said of a condition clause by clause.
func TestExplain(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := pipelinetest.Record(t, mem, testSchema(), []pipelinetest.Row{
		{}, {"text": "some words", "lang": "en", "hashtags": []string{"a", "b\"c"}, "url_domains": []string{"TINY.example"}},
	})
	defer rec.Release()
	rules, err := ParseFile("r.yaml", []byte("- id: a\n  when: |\n    has(text) && lang == \"de\"\n    && author.followers < 3 && hashtags.exists(h, h == \"a\") && url_domains.exists(d, d in list.short_links)\n"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewSet(rules...)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := testEnv(t).Compile(set)
	if err != nil {
		t.Fatal(err)
	}
	clauses, err := prog.Explain(rec, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range clauses {
		got = append(got, fmt.Sprintf("%s %s: %s %v", c.Pos, c.Verdict, c.Text, c.Values))
	}
	want := []string{
		`r.yaml:3:8 true: has(text) [text=some words]`,
		`r.yaml:3:23 false: lang == "de" [lang=en]`,
		`r.yaml:4:25 error: author.followers < 3 [author.followers=null]`,
		`r.yaml:4:47 true: hashtags.exists(h, h == "a") [hashtags=["a", "b\"c"]]`,
		`r.yaml:4:82 true: url_domains.exists(d, d in list.short_links) [url_domains=["TINY.example"]]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := prog.Explain(rec, 2, 0); err == nil {
		t.Error("no error for a row that is not there")
	}
}

// TestAppendValue checks printing and cutting of values.
func TestAppendValue(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := pipelinetest.Record(t, mem, testSchema(), []pipelinetest.Row{{
		"text": strings.Repeat("日本", 50), "author_followers": -7, "toxicity": 0.25, "hashtags": []string{"x", strings.Repeat("é", 40), "y"}, "text_hash": 9,
	}})
	defer rec.Release()
	for _, c := range []struct {
		col   string
		limit int
		want  string
	}{
		{"text", 20, "日本日本日..."},
		{"text", 300, strings.Repeat("日本", 50)},
		{"author_followers", 20, "-7"},
		{"author_following", 20, "null"},
		{"toxicity", 20, "0.25"},
		{"hashtags", 12, `["x", "é..."`[:9] + "..."},
		{"mentions", 9, "[]"},
		{"text_hash", 9, "9"},
		{"created_at", 30, "2026-01-01T00:00:00.000Z"},
	} {
		got := string(AppendValue(nil, rec.Column(testSchema().FieldIndices(c.col)[0]), 0, c.limit))
		if got != c.want || len(got) > c.limit {
			t.Errorf("%s cut to %d: %q, want %q", c.col, c.limit, got, c.want)
		}
	}
}
