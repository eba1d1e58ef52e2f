package rule

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// TestParseList checks that a list is read and folded as the match step does
// it, and which terms are left out.
func TestParseList(t *testing.T) {
	l, err := ParseList("l", "l.yaml", []byte("- Zörvath\n- krell*\n- {term: DAWN, language: de, weight: 2, view: raw}\n- substring:abc\n- regex:a+\n- url:example.com\n- \\#tag\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(l.terms)), []string{"#tag", "dawn", "zorvath"}; !slices.Equal(got, want) {
		t.Errorf("terms %q, want %q", got, want)
	}
	_, err = ParseList("l", "l.csv", []byte("term,weight\n,1\na,x\n"))
	if err == nil || err.Error() != "list \"l\" (l.csv:2): empty term; delete the line or quote a blank\nlist \"l\" (l.csv:3): the weight \"x\" is not a number from -1e+06 to 1e+06" {
		t.Errorf("error %v", err)
	}
}

// TestListsOfRule checks which lists a rule is said to look at: its detections
// have their hits and versions.
func TestListsOfRule(t *testing.T) {
	schema := pipeline.PostsSchema(
		arrow.Field{Name: "match.a", Type: arrow.PrimitiveTypes.Int32},
		arrow.Field{Name: "match.b", Type: arrow.PrimitiveTypes.Int32},
		arrow.Field{Name: "weight.a", Type: arrow.PrimitiveTypes.Float32},
		arrow.Field{Name: "weight.b", Type: arrow.PrimitiveTypes.Float32},
	)
	env, err := NewEnv(schema, NewList("c", "x"))
	if err != nil {
		t.Fatal(err)
	}
	lists := func(when string) ([]string, error) {
		rules, err := ParseFile("r.yaml", []byte("- id: r\n  version: 1\n  owner: me\n  mode: live\n  severity: low\n  when: "+when+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		set, err := NewSet(rules...)
		if err != nil {
			t.Fatal(err)
		}
		p, err := env.Compile(set)
		if err != nil {
			return nil, err
		}
		return p.Lists(0), nil
	}
	for when, want := range map[string][]string{
		"match.a > 0":    {"a"},
		"weight.b > 1.5": {"b"},
		"weight.a + weight.b > 1.5 && match.a > 0":       {"a", "b"},
		"hashtags.exists(h, h in list.c) || match.b > 0": {"b", "c"},
	} {
		if got, err := lists(when); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: lists %q, %v, want %q", when, got, err, want)
		}
	}
	if _, err := lists("weight.aa > 1.0"); err == nil || !strings.Contains(err.Error(), `"weight.aa": the match steps before this one have no such list; did you mean "weight.a"`) {
		t.Errorf("a list that is not there: %v", err)
	}
}
