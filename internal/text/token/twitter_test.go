package token

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// twitterCase is a case of twitter-text's extract.yml. Expected is a list of
// strings, or of objects with the string and its code points in the text, its
// sign included.
type twitterCase struct {
	Description, Text string
	Expected          []twitterEntity
}

// twitterEntity is what a case expects.
type twitterEntity struct {
	Name    string
	Indices []int // nil where the case gives none
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (e *twitterEntity) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		e.Name = n.Value
		return nil
	}
	var fields struct {
		URL     string
		Hashtag string
		Cashtag string
		Name    string `yaml:"screen_name"`
		Slug    string `yaml:"list_slug"`
		Indices []int
	}
	if err := n.Decode(&fields); err != nil {
		return err
	}
	e.Name = fields.URL + fields.Hashtag + fields.Cashtag + fields.Name + fields.Slug
	e.Indices = fields.Indices
	return nil
}

// twitterKinds maps the sections of extract.yml to the kind of token that they
// are about. The section replies is not about tokens: the platform says what a
// post replies to.
var twitterKinds = map[string]text.Kind{
	"mentions": text.Mention, "mentions_with_indices": text.Mention, "mentions_or_lists_with_indices": text.Mention,
	"urls": text.URL, "urls_with_indices": text.URL, "urls_with_directional_markers": text.URL, "tco_urls_with_params": text.URL,
	"hashtags": text.Hashtag, "hashtags_from_astral": text.Hashtag, "hashtags_with_indices": text.Hashtag,
	"cashtags": text.Cashtag, "cashtags_with_indices": text.Cashtag,
}

// TestTwitter runs the extract suite of twitter-text. Each case that we decide
// otherwise is listed with its reason in testdata/twitter.txt, as "section:
// description | reason"; a case that differs and is not listed is a failure, and
// so is one that is listed and does not differ.
func TestTwitter(t *testing.T) {
	data, err := os.ReadFile(realdata.Path(t, "conformance", "twitter_text_conformance", "conformance", "extract.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Tests map[string]yaml.Node }
	if err := yaml.Unmarshal(data, &suite); err != nil {
		t.Fatal(err)
	}
	reasons := readReasons(t, "testdata/twitter.txt")
	count, total := map[string]int{}, 0
	for _, section := range slices.Sorted(mapKeys(suite.Tests)) {
		kind, ok := twitterKinds[section]
		if !ok {
			if section != "replies" {
				t.Errorf("section %q is new: say in twitterKinds what it is about", section)
			}
			continue
		}
		var cases []twitterCase
		if node := suite.Tests[section]; node.Decode(&cases) != nil || len(cases) == 0 {
			t.Fatalf("section %q cannot be read", section)
		}
		for _, c := range cases {
			total++
			got, want := extract(kind, c), expect(kind, c)
			key := section + ": " + c.Description
			reason, listed := reasons[key]
			delete(reasons, key)
			switch differs := !slices.Equal(got, want); {
			case differs && listed:
				count[reason]++
			case differs:
				t.Errorf("%s\n text %q\n  got %q\n want %q", key, c.Text, got, want)
			case listed:
				t.Errorf("%s: is as Twitter has it; delete it from the list", key)
			}
		}
	}
	for key := range reasons {
		t.Errorf("listed, but not in the suite: %s", key)
	}
	logReasons(t, "twitter-text extract", total, count)
}

// extract returns the tokens of a kind in the folded text, each with its span in
// the original one.
func extract(kind text.Kind, c twitterCase) []string {
	var o fold.Offsets
	o.Build([]byte(c.Text))
	folded := o.Folded()
	var toks Tokens
	toks.Append(folded, 0, len(folded))
	var out []string
	for i := range toks.Len() {
		if toks.Kind[i] != kind {
			continue
		}
		s := string(folded[toks.Start[i]:toks.End[i]])
		if indexed(c) {
			start, end := o.Span(toks.Start[i], toks.End[i])
			from, to := utf8.RuneCountInString(c.Text[:start]), utf8.RuneCountInString(c.Text[:end])
			if kind != text.URL {
				from-- // the sign
			}
			s += fmt.Sprint(from, to)
		}
		out = append(out, s)
	}
	return out
}

// expect returns what extract should return.
func expect(_ text.Kind, c twitterCase) []string {
	var out []string
	for _, e := range c.Expected {
		s := string(fold.Append(nil, []byte(e.Name)))
		if indexed(c) {
			s += fmt.Sprint(e.Indices[0], e.Indices[1])
		}
		out = append(out, s)
	}
	return out
}

// indexed reports whether the case has positions.
func indexed(c twitterCase) bool { return len(c.Expected) > 0 && c.Expected[0].Indices != nil }

// readReasons reads lines of "key | reason".
func readReasons(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, reason, ok := strings.Cut(line, " | ")
		if !ok {
			t.Fatalf("%s: no reason: %s", path, line)
		}
		out[key] = reason
	}
	return out
}

// logReasons prints the summary of a conformance test.
func logReasons(t *testing.T, name string, total int, count map[string]int) {
	t.Helper()
	deviations := 0
	for _, n := range count {
		deviations += n
	}
	t.Logf("%s: %d cases, %d as expected, %d deviations", name, total, total-deviations, deviations)
	for _, reason := range slices.Sorted(mapKeys(count)) {
		t.Logf("%4d %s", count[reason], reason)
	}
}
