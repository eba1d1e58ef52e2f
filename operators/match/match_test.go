package match

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/pipeline"
)

type memFiles map[string]string

func (f memFiles) ReadFile(path string) ([]byte, error) {
	s, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

func (f memFiles) Glob(string) ([]string, error) { return nil, nil }

// describe returns the description of a plan, without the versions of lists.
func describe(p pipeline.Plan) []string {
	out := p.(pipeline.Describer).Describe()
	for i := range out {
		out[i] = regexp.MustCompile("[0-9a-f]{16}").ReplaceAllString(out[i], "VERSION")
	}
	return out
}

func TestValidate(t *testing.T) {
	one := []string{"x"}
	for _, c := range []struct {
		lists      map[string]List
		path, want string
	}{
		{map[string]List{"a": {Terms: one}}, "", ""},
		{nil, "lists", "no list"},
		{map[string]List{"a": {}}, "lists.a", "no terms"},
		{map[string]List{"A-b": {Terms: one}}, "lists.A-b", "does not fit into rules"},
		{map[string]List{"a": {Terms: one, View: "upper"}}, "lists.a.view", `no view is called "upper"`},
		{map[string]List{"a": {Terms: one, View: "squeezed"}}, "", ""},
		{map[string]List{"a": {Terms: one, View: "skeleton", On: "hashtags"}}, "lists.a.view", `the view "skeleton" is one of the text, not of "hashtags"`},
	} {
		err := (&Config{Lists: c.lists}).Validate()
		var fe *pipeline.FieldError
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%v: %v", c.lists, err)
			}
		case !errors.As(err, &fe) || fe.Path != c.path || !strings.Contains(err.Error(), c.want):
			t.Errorf("%v: error %v, want %q at %s", c.lists, err, c.want, c.path)
		}
	}
}

// TestPlan checks what is known of the lists before any post: the warnings, the
// description, the metadata, and errors with their places.
func TestPlan(t *testing.T) {
	files := memFiles{
		"a.txt": "\ufeffone\r\n# a comment\r\n\r\nONE\n two words \n\\#tag\n",
		"b.csv": "weight,Term\n1,example.org\n2,\"Example.org\"\n3,b\n",
	}
	var logged strings.Builder
	bc := pipeline.BuildContext{Mem: memory.DefaultAllocator, Files: files, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	plan := func(l List) (pipeline.Plan, error) {
		return Factory().PlanOperator(bc, &Config{Lists: map[string]List{"l": l}}, pipeline.PostsSchema())
	}
	p, err := plan(List{Path: "a.txt", View: "raw", Terms: []string{"inline"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(p), []string{"list l: 5 terms on text, raw, version VERSION"}; !slices.Equal(got, want) {
		t.Errorf("Describe: %q, want %q", got, want)
	}
	if p, err = plan(List{Path: "b.csv", On: pipeline.ColHashtags}); err != nil {
		t.Fatal(err)
	}
	if got, want := describe(p), []string{"list l: 2 terms on hashtags, folded, version VERSION (1 duplicates ignored)"}; !slices.Equal(got, want) {
		t.Errorf("Describe: %q, want %q", got, want)
	}
	if !strings.Contains(logged.String(), "line=3") || !strings.Contains(logged.String(), "same_as=example.org") {
		t.Errorf("the duplicate is logged as %s", &logged)
	}
	md := p.Output().Metadata()
	if i := md.FindKey(pipeline.MetaListPrefix + "l"); i < 0 || md.Values()[i] != "b.csv" {
		t.Errorf("metadata %v", md)
	}
	maps.Copy(files, map[string]string{
		"long.txt": "ok\n" + strings.Repeat("x", terms.MaxLength+1), "bytes.txt": "\xff\xfe\n", "none.txt": "# nothing\n", "blank.csv": "term\n\" \"\n",
	})
	for path, want := range map[string]string{
		"gone.txt":  `match: list "l" (gone.txt): open gone.txt: file does not exist`,
		"long.txt":  `match: list "l" (long.txt:2): a term of 1025 bytes; the longest is 1024: cut it`,
		"bytes.txt": `match: list "l" (bytes.txt:1): the term "\xff\xfe" is not UTF-8; convert the file`,
		"none.txt":  `match: list "l" (none.txt): no terms in it; add one or delete the list`,
		"blank.csv": `match: list "l" (blank.csv:2): empty term; delete the line or quote a blank`,
	} {
		_, err := plan(List{Path: path, View: "raw"})
		var fe *pipeline.FieldError
		if !errors.As(err, &fe) || fe.Path != "lists.l.path" || fe.Err.Error() != want {
			t.Errorf("%s: %v\nwant %s", path, err, want)
		}
	}
	if _, err := plan(List{Terms: []string{"x", ""}, View: "raw"}); err == nil || !strings.Contains(err.Error(), `(terms:2): empty term`) {
		t.Errorf("an empty inline term: %v", err)
	}
	if _, err := plan(List{Path: "a.txt"}); err == nil || !strings.Contains(err.Error(), "step before it") {
		t.Errorf("no tokens: %v", err)
	}
}
