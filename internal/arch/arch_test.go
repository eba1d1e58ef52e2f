package arch

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var checks = []struct {
	name string
	run  func(*tree) []string
}{
	{"imports", checkImports},
	{"names", checkNames},
	{"globals", checkGlobals},
	{"pure operators", checkPure},
	{"components are listed", checkListed},
}

// TestTree holds the repository to the rules.
func TestTree(t *testing.T) {
	tr, err := readTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pipeline", "pipeline/engine", "operators", "sinks/clickhouse", "cmd/sluice"} {
		if len(tr.files[want]) == 0 {
			t.Fatalf("%s was not found: the test looks at the wrong folder", want)
		}
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			for _, breach := range c.run(tr) {
				t.Error(breach)
			}
		})
	}
}

// sound is a small tree that keeps all rules.
func sound() fstest.MapFS {
	return fstest.MapFS{
		"pipeline/batch.go":           {Data: []byte("package pipeline\nimport \"github.com/apache/arrow/go/v15/arrow\"\nvar x arrow.Field\n")},
		"pipeline/engine/engine.go":   {Data: []byte("package engine\nimport \"github.com/sluicehq/sluice/pipeline/graph\"\n")},
		"operators/operators.go":      {Data: []byte("package operators\nimport \"github.com/sluicehq/sluice/operators/count\"\nfunc All() []any { return []any{count.Factory()} }\n")},
		"operators/count/count.go":    {Data: []byte("package count\nimport \"time\"\nconst d = time.Second\nfunc Factory() any { return F{Name: \"count\"} }\n")},
		"sinks/store/store.go":        {Data: []byte("package store\nimport \"github.com/sluicehq/sluice/sinks/store/child\"\n")},
		"sinks/store/child/child.go":  {Data: []byte("package child\nvar names = map[string]int{}\nfunc f() int { names := map[string]int{}; names[\"a\"]++; return names[\"a\"] }\n")},
		"operators/count/x_test.go":   {Data: []byte("package count\nimport \"os\"\nfunc init() { os.Exit(1) }\n")},
		"operators/testdata/bad/x.go": {Data: []byte("not go")},
	}
}

// TestFindsBreaches makes sure that each rule fails where it should.
func TestFindsBreaches(t *testing.T) {
	if got := breaches(t, sound()); len(got) > 0 {
		t.Fatalf("a sound tree has breaches:\n%s", strings.Join(got, "\n"))
	}
	const ours = "\"github.com/sluicehq/sluice/"
	for _, c := range []struct{ file, code, want string }{
		{"pipeline/x.go", "package pipeline\nimport \"go.yaml.in/yaml/v3\"", "pipeline/x.go:2: pipeline imports go.yaml.in/yaml/v3"},
		{"pipeline/x.go", "package pipeline\nimport " + ours + "internal/column\"", "pipeline/x.go:2: pipeline imports internal/column"},
		{"pipeline/graph/x.go", "package graph\nimport " + ours + "pipeline/engine\"", "pipeline/graph/x.go:2: pipeline/graph imports pipeline/engine"},
		{"pipeline/engine/x.go", "package engine\nimport " + ours + "sinks/store\"", "pipeline/engine/x.go:2: pipeline/engine imports sinks/store"},
		{"pipeline/engine/x.go", "package engine\nimport " + ours + "pipeline/config\"", "pipeline/engine/x.go:2: pipeline/engine imports pipeline/config"},
		{"operators/count/x.go", "package count\nimport " + ours + "operators/other\"", "operators/count/x.go:2: operators/count imports operators/other"},
		{"operators/count/x.go", "package count\nimport " + ours + "pipeline/graph\"", "operators/count/x.go:2: operators/count imports pipeline/graph"},
		{"sinks/store/x.go", "package store\nimport " + ours + "sinks/storehouse\"", "sinks/store/x.go:2: sinks/store imports sinks/storehouse"},
		{"internal/text/x.go", "package text\nimport " + ours + "operators/count\"", "internal/text/x.go:2: internal/text imports operators/count"},
		{"lib/x.go", "package lib", "lib: no rule says what this folder may import"},
		{"internal/helper/x.go", "package helper", "internal/helper: name the folder by what it holds"},
		{"sinks/store/x.go", "package store\nfunc init() {}", "sinks/store/x.go:2: a function init"},
		{"sinks/store/child/x.go", "package child\nfunc g() { names[\"a\"] = 1 }", "sinks/store/child/x.go:2: the package variable names is changed"},
		{"sinks/store/child/x.go", "package child\nfunc g() { clear(names) }", "sinks/store/child/x.go:2: the package variable names is changed"},
		{"operators/count/x.go", "package count\nimport \"time\"\nvar t = time.Now()", "operators/count/x.go:3: time.Now"},
		{"operators/count/x.go", "package count\nfunc g() { go g() }", "operators/count/x.go:2: a goroutine"},
		{"operators/count/x.go", "package count\nimport \"math/rand/v2\"", "operators/count/x.go:2: operators/count imports math/rand/v2"},
		{"operators/count/x.go", "package count\nimport \"net/http\"", "operators/count/x.go:2: operators/count imports net/http"},
		{"operators/lost/x.go", "package lost\nfunc Factory() any { return F{Name: \"lost\"} }", "operators/lost/x.go:2: operators/lost has a Factory that operators.All does not list"},
		{"operators/count/count.go", "package count\nfunc Factory() any { return F{Name: \"sum\"} }", "operators/count/count.go:2: the factory's Name is \"sum\""},
	} {
		fsys := sound()
		fsys[c.file] = &fstest.MapFile{Data: []byte(c.code + "\n")}
		got := breaches(t, fsys)
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
			t.Errorf("%s:\n%s\nwant a breach that begins with\n\t%s\ngot\n\t%s", c.file, c.code, c.want, strings.Join(got, "\n\t"))
		}
	}
	indirect := sound()
	indirect["operators/count/x.go"] = &fstest.MapFile{Data: []byte("package count\nimport " + ours + "internal/words\"\n")}
	indirect["internal/words/words.go"] = &fstest.MapFile{Data: []byte("package words\nimport \"os\"\n")}
	if got := breaches(t, indirect); len(got) != 1 || !strings.HasPrefix(got[0], "internal/words/words.go:2: internal/words imports os") {
		t.Errorf("an operator that reads files through an internal package: got %q", got)
	}
}

func breaches(t *testing.T, fsys fs.FS) (out []string) {
	t.Helper()
	tr, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		out = append(out, c.run(tr)...)
	}
	return out
}
