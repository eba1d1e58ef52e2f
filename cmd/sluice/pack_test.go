package main

import (
	"io"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/rule"
	"github.com/sluicehq/sluice/pipeline/graph"
)

const rulePack = "../../deploy/rules/check.yaml"

// TestRulePack runs the tests of the shipped rules as `sluice test` does.
func TestRulePack(t *testing.T) {
	var out strings.Builder
	failed, err := testPipeline(t.Context(), rulePack, &fileFlags{}, &out)
	if err != nil || failed > 0 || !strings.Contains(out.String(), "; 0 of ") {
		t.Errorf("%d tests failed, error %v:\n%s", failed, err, out.String())
	}
}

// TestRulePackTellsApart takes away the lists that keep reporting and
// counter-speech apart, and those of the terms: the pack's tests notice.
func TestRulePackTellsApart(t *testing.T) {
	for _, list := range []string{
		"movements", "slogans", "invite_domains", "calls_to_join", "praise", "reporting", "counter_speech",
		"spam_phrases", "short_links", "known_copies",
	} {
		with := "=[qqxyzzyqq]"
		if list == "known_copies" {
			with = "=['1']"
		}
		f := fileFlags{sets: []string{"steps.4.match.lists." + list + ".path=", "steps.4.match.lists." + list + ".terms" + with}}
		failed, err := testPipeline(t.Context(), rulePack, &f, io.Discard)
		if err != nil || failed == 0 {
			t.Errorf("without %s: %d tests failed, error %v", list, failed, err)
		}
	}
}

// TestRulePackCovers holds the pack to what its README says: each rule has
// tests of both sorts, and the rules on words have some in each language.
func TestRulePackCovers(t *testing.T) {
	set, err := rule.Load(graph.NewDirFiles("../../deploy/rules"), []string{"rules/*.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Rules {
		expects, langs := map[rule.Expectation]int{}, map[any]bool{}
		for _, test := range r.Tests {
			expects[test.Expect]++
			langs[test.Post["lang"]] = true
		}
		if expects[rule.Match] == 0 || expects[rule.NoMatch] == 0 || r.Description == "" || r.Owner == "" {
			t.Errorf("rule %s: tests %v, description %q, owner %q", r.ID, expects, r.Description, r.Owner)
		}
		if r.ID == "recruitment-call" || r.ID == "propaganda-praise" || r.ID == "spam-phrases" {
			for _, lang := range []string{"en", "fr", "ar"} {
				if !langs[lang] {
					t.Errorf("rule %s has no test in %s", r.ID, lang)
				}
			}
		}
	}
}
