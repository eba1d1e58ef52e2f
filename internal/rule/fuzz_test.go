package rule

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// FuzzParseFile checks that no bytes panic the reader, that errors have places
// in the file, and that a rule that was read keeps its bounds.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte("- id: a\n  when: |\n    size(text) > 3\n  tests:\n  - {post: {text: x, n: 1, l: [a, 2.5, null, true]}, expect: match}\n"))
	f.Add([]byte("- {id: a, when: \"x\\u0041\\\n  y\", labels: [a]}\n"))
	f.Add([]byte("- &a {id: *a, <<: *a}\n---\n- 1\n"))
	f.Add([]byte("- id: a\r\n  when: >2-\r\n     x\r\n\r\n     y\r\n"))
	env := testEnv(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := ParseFile("f", data)
		check := func(err error) {
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			for _, e := range errs {
				if e.Pos.Line < 1 || e.Pos.Col < 1 || e.Pos.Line > len(data)+2 || e.Msg == "" {
					t.Fatalf("%q: no such place: %v", data, e)
				}
			}
		}
		if err != nil {
			check(err)
		}
		for _, r := range rules {
			if r.ID == "" || r.When == "" || r.Version == 0 || len(r.Hash) != 64 {
				t.Fatalf("%q: rule %+v", data, r)
			}
		}
		set, err := NewSet(rules...)
		if err != nil {
			check(err)
			return
		}
		if _, err := env.Compile(set); err != nil {
			check(err)
		}
	})
}

// FuzzCondition checks that no condition panics the compiler or the evaluator.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`match.banned_terms >= 2 && url_domains.exists(d, d in list.short_links)`, `has(author.followers) ? 1 / author_followers > 0 : false`,
		`["a", "b"].exists(w, hashtags.exists(h, h.contains(w) && h == author_handle))`, `text.matches("(?i)x{1,3}|[^y]")`, `hashtags.map(h, size(h)).all(n, n > 1)`,
		`created_at - author.created_at < duration("24h") && created_at.getDayOfWeek() == 6`, `{"a": 1}["a"] == size(text)`, `author_handle in mentions`,
	} {
		f.Add(s)
	}
	env := testEnv(f)
	rec := pipelinetest.Record(f, memory.DefaultAllocator, testSchema(), []pipelinetest.Row{
		{}, {"text": "a blorb é", "hashtags": []string{"a", "", "b"}, "mentions": []string{"a"}, "author_handle": "a", "author_followers": 0, "toxicity": 0.5},
	})
	f.Fuzz(func(t *testing.T, when string) {
		if strings.Count(when, "(") > 50 || len(when) > 2000 {
			t.Skip("slow, and no other code")
		}
		set, err := NewSet(&Rule{ID: "r", Mode: Live, When: when, Pos: Pos{File: "f"}})
		if err != nil {
			t.Fatal(err)
		}
		prog, err := env.Compile(set)
		if err != nil {
			return
		}
		ev := prog.NewEvaluator()
		vs, err := ev.Verdict(rec, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		fired, err := ev.Match(rec)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, v := range vs {
			if v == True {
				n++
			}
		}
		if n != len(fired) {
			t.Fatalf("%q: verdicts %v, but fired %v", when, vs, fired)
		}
	})
}

// FuzzParseList checks that no list file panics and that terms are folded.
func FuzzParseList(f *testing.F) {
	f.Add("l.csv", []byte("id,term\n1,\"A b\"\n2,x\n"))
	f.Add("l.txt", []byte("# c\n\\#Tag\nSTRASSE\n\n"))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		l, err := ParseList("l", path, data)
		if err != nil {
			return
		}
		fold := &folder{}
		for term := range l.terms {
			if again := string(fold.fold([]byte(term))); again != term {
				t.Fatalf("%q is not folded: %q", term, again)
			}
		}
	})
}
