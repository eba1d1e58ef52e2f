package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
)

const differencePipeline = `pipeline: demo
source: generate
steps:
  - normalize
  - tokenize
  - match: { lists: { terms: { path: terms.txt }, few: { terms: [snow] } } }
  - rules: { files: ["*.rules.yaml"] }
sinks: [discard]
`

const differenceRules = "- {id: a, version: 1, owner: me, mode: live, severity: low, when: match.terms > 0}\n- {id: b, version: 4, owner: me, mode: live, severity: low, when: match.few > 0}\n"

func putFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDifference names everything that a reload has changed, and nothing else.
func TestDifference(t *testing.T) {
	for _, c := range []struct {
		name     string
		file     string
		old, new string // what is replaced in the file
		want     []string
	}{
		{"nothing", "p.yaml", "", "", nil},
		{"a comment", "terms.txt", "", "# now with a comment\n", nil},
		{"terms", "terms.txt", "one\ntwo\n", "two\nthree\nfour\n", []string{"list changed [step match list terms old V new V terms_added 2 terms_removed 1]"}},
		{"terms of the config", "p.yaml", "[snow]", "[snow, ice]", []string{"step changed [step match keys lists.few.terms.1: added ice]", "list changed [step match list few old V new V]"}},
		{"a list more", "p.yaml", "few:", "more: { terms: [x] }, few:", []string{"step changed [step match keys lists.more.terms.0: added x]", "list added [step match list more version V]"}},
		{"a rule less", "x.rules.yaml", differenceRules[strings.Index(differenceRules, "- {id: b"):], "", []string{"rule removed [rule b version 4]"}},
		{"a rule more", "x.rules.yaml", "", "- {id: c, version: 7, owner: me, mode: shadow, severity: low, when: match.few > 1}\n", []string{"rule added [rule c version 7 mode shadow]"}},
		{"a rule's version", "x.rules.yaml", "version: 4", "version: 5", []string{"rule changed [rule b old 4 new 5 mode live]"}},
		{"a rule without a version", "x.rules.yaml", "match.few > 0", "match.few > 2", []string{"! rule changed under the same version; raise it, so that detections can be told apart [rule b version 4]"}},
		{"a step more", "p.yaml", "  - match", "  - fingerprint\n  - match", []string{"step added [step fingerprint]"}},
		{"a step less", "p.yaml", "  - rules: { files: [\"*.rules.yaml\"] }\n", "", []string{"step removed [step rules]", "rule removed [rule a version 1]", "rule removed [rule b version 4]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{"p.yaml": differencePipeline, "terms.txt": "one\ntwo\n\n# of all\n", "x.rules.yaml": differenceRules}
			store, err := checkpoint.Open(filepath.Join(dir, "ck"), checkpoint.Options{Pipeline: "demo"})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			build := func(previous *built) *built {
				putFiles(t, dir, files)
				watch := graph.NewWatch()
				spec, err := (&fileFlags{}).load(filepath.Join(dir, "p.yaml"), watch)
				if err != nil {
					t.Fatal(err)
				}
				opt := graph.Options{}
				if previous != nil {
					opt.Mem, opt.Previous = previous.graph.Mem, previous.graph
				}
				b, err := assemble(spec, watch, slog.New(slog.DiscardHandler), opt)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.describe(); err != nil {
					t.Fatal(err)
				}
				if _, err := b.store(store); err != nil {
					t.Fatal(err)
				}
				return b
			}
			old := build(nil)
			files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
			next := build(old)
			versions := map[string]bool{}
			for _, g := range []*graph.Graph{old.graph, next.graph} {
				for _, l := range listsOf(g) {
					versions[l.version] = true
				}
			}
			var got []string
			for _, ch := range difference(old, next, store) {
				line := fmt.Sprint(ch.what, " ", ch.attrs)
				if ch.warn {
					line = "! " + line
				}
				for v := range versions {
					line = strings.ReplaceAll(line, v, "V")
				}
				got = append(got, line)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFileChanges(t *testing.T) {
	var got []string
	for _, c := range fileChanges(
		map[string]checkpoint.Hash{"same": "1", "list": "1", "model": "1", "gone": "1"},
		map[string]checkpoint.Hash{"same": "1", "list": "2", "model": "2", "new": "3"}, map[string]bool{"list": true},
	) {
		got = append(got, fmt.Sprint(c.what, " ", c.attrs))
	}
	want := []string{"file no longer used [file gone]", "file changed [file model old 1 new 2]", "file added [file new sha256 3]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestLineDifference(t *testing.T) {
	for _, c := range []struct {
		before, after  string
		added, removed int
	}{
		{"", "", 0, 0},
		{"a\nb\n", "b\na", 0, 0},
		{"a\n", "a\na\nb\n", 2, 0},
		{"a\na\n\n", "# a\r\n a \r\n", 0, 1},
		{"term,weight\na,1\n", "term,weight\na,2\n", 1, 1},
	} {
		if added, removed := lineDifference([]byte(c.before), []byte(c.after)); added != c.added || removed != c.removed {
			t.Errorf("%q, then %q: %d added, %d removed; want %d and %d", c.before, c.after, added, removed, c.added, c.removed)
		}
	}
}

func TestSameSettings(t *testing.T) {
	parse := func(more string) *config.Spec {
		t.Helper()
		spec, err := config.Parse("p.yaml", []byte(differencePipeline+more), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return spec
	}
	if err := sameSettings(parse("engine: {workers: 2}\n"), parse("engine: { workers: 2 } # the same\n")); err != nil {
		t.Error(err)
	}
	err := sameSettings(parse("engine: {workers: 2}\nlog: {level: debug}\n"), parse(""))
	want := "p.yaml: engine.workers has changed\np.yaml: log.level has changed; that takes effect when the pipeline is stopped and started again"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = sameSettings(parse("admin: {token: a-token-of-some-length}\ntracing: {headers: {a: hidden}, ratio: 0.5}\n"), parse("admin: {token: another-token-is-here}\n"))
	want = "p.yaml: admin.token has changed\np.yaml: tracing.headers has changed\np.yaml: tracing.ratio has changed; that"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestKeysChanged names what differs between two settings of a step, as they
// may be shown.
func TestKeysChanged(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%02d":%d`, i, i)
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	for _, c := range []struct{ was, is, want string }{
		{`{"a":1,"b":{"c":"x"}}`, `{"a":2,"b":{"d":true}}`, "a: 1 -> 2, b.c: removed x, b.d: added true"},
		{`{"l":["x","y"]}`, `{"l":["x","z"]}`, "l.1: y -> z"},
		{`{"n":9007199254740993}`, `{"n":9007199254740992}`, "n: 9007199254740993 -> 9007199254740992"},
		{`{"s":"[secret]"}`, `{"s":"[secret]"}`, "a value that is not shown"},
		{`{}`, `{"s":"` + strings.Repeat("é", 100) + `"}`, "s: added " + strings.Repeat("é", 30) + "…"},
		{`{}`, many(13), "k00: added 0, k01: added 1, k02: added 2, k03: added 3, k04: added 4, k05: added 5, k06: added 6, k07: added 7, k08: added 8, k09: added 9, and 3 more"},
	} {
		if got := keysChanged(c.was, c.is); got != c.want {
			t.Errorf("%s, then %s: %q, want %q", c.was, c.is, got, c.want)
		}
	}
}

// TestHistory keeps the last attempts, the newest first, and bounds each.
func TestHistory(t *testing.T) {
	var h history
	for i := range maxAttempts + 5 {
		h.add(attempt{Why: fmt.Sprint(i), Changes: []change{{what: "rule changed", warn: true, attrs: []any{"rule", "a", "old", 1, "new", 2}}}})
	}
	h.add(attempt{Why: "last", Changes: make([]change, maxChanges+7), Errors: make([]string, maxErrors+2)})
	if len(h.list) != maxAttempts || h.list[1].Why != fmt.Sprint(maxAttempts+4) || len(h.list[0].Changes) != maxChanges || len(h.list[0].Errors) != maxErrors || h.list[0].More != 9 {
		t.Errorf("%d attempts, the newest with %d changes and %d errors, %d left out", len(h.list), len(h.list[0].Changes), len(h.list[0].Errors), h.list[0].More)
	}
	text, err := json.Marshal(h.list[1])
	if want := `{"at":"0001-01-01T00:00:00Z","why":"20","result":"","seconds":0,"manifest":"","changes":[{"new":2,"old":1,"rule":"a","warning":true,"what":"rule changed"}]}`; err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
}

// TestDueWaitsForAWriter: a file that is being written is left alone until two
// looks find it the same, but not for ever.
func TestDueWaitsForAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	text := "one\n"
	put := func() {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put()
	r := &reloader{watch: graph.NewWatch()}
	if _, err := r.watch.ReadFile(path, os.ReadFile); err != nil {
		t.Fatal(err)
	}
	look := func(want bool) {
		t.Helper()
		if got := len(r.due()) > 0; got != want {
			t.Errorf("with %q: due %t, want %t", text, got, want)
		}
	}
	look(false)
	for range 3 { // it grows from look to look
		text += "more\n"
		put()
		look(false)
	}
	look(true)
	text = "one\n" // and is as it was, before it was taken up
	put()
	look(false)
	for range settleTries {
		text += "and more\n"
		put()
		look(false)
	}
	text += "and more\n"
	put()
	look(true)
	if settleTime > time.Second {
		t.Error("a change would be taken up late")
	}
}
