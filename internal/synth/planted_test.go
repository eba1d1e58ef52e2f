package synth

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// At the end of each block every kind has exactly its share of the rows.
func TestSharesAreExact(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Shares.Term = 0.012345
	g := newGenerator(t, cfg)
	var count [numKinds]int64
	var next [numKinds]int64
	const blocks = 300
	for i := range int64(blocks * blockRows) {
		k, n := g.classify(i)
		count[k]++
		next[k] = max(next[k], n+1)
		if (i+1)%blockRows != 0 {
			continue
		}
		for k, s := range cfg.Shares.list() {
			want := (i + 1) * int64(s*1e6+0.5) / 1e6
			if count[k] != want || next[k] != want {
				t.Fatalf("after %d rows: %d of kind %s with %d ordinals, want %d", i+1, count[k], Kind(k), next[k], want)
			}
		}
	}
	if g.Kind(3) != Organic && g.Kind(4) == g.Kind(5) && g.Kind(5) == g.Kind(6) && g.Kind(6) != Organic {
		t.Error("planted rows come in a row")
	}
}

// The truth column says what classify says, and each campaign that began after
// row 0 and is over has its posts, its accounts and its language.
func TestCampaignsAreExact(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Shares.Campaign = 0.1
	cfg.Campaigns = Campaigns{Posts: 50, Accounts: 20, Concurrent: 4}
	g := newGenerator(t, cfg)
	type seen struct {
		posts    int
		accounts map[string]bool
		langs    map[string]bool
		texts    map[string]int
		details  map[string]int
	}
	const n = 20 * blockRows
	campaigns := map[string]*seen{}
	details := map[string]int{}
	for i, p := range posts(t, g, 0, n) {
		if p.Truth.Kind != g.Kind(int64(i)).String() {
			t.Fatalf("row %d: truth %+v, planted as %s", i, p.Truth, g.Kind(int64(i)))
		}
		if p.Truth.Kind != "campaign" {
			continue
		}
		s := campaigns[p.Truth.ID]
		if s == nil {
			s = &seen{0, map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]int{}}
			campaigns[p.Truth.ID] = s
		}
		if strings.Contains(p.Text, "HTTPS") || p.Truth.Detail == "exact" && strings.Contains(p.Text, "https://") != (len(p.URLs) == 1) {
			t.Errorf("links %q of %q", p.URLs, p.Text)
		}
		s.posts++
		s.accounts[p.Author.ID] = true
		s.langs[p.Lang] = true
		s.details[p.Truth.Detail]++
		details[p.Truth.Detail]++
		if p.Truth.Detail == "exact" {
			s.texts[p.Text]++
		}
	}
	whole := 0
	for id, s := range campaigns {
		if s.posts > cfg.Campaigns.Posts || len(s.langs) != 1 || len(s.texts) > 1 {
			t.Errorf("campaign %s: %d posts, languages %v, %d originals", id, s.posts, s.langs, len(s.texts))
		}
		if s.posts == cfg.Campaigns.Posts {
			whole++
			if len(s.accounts) != cfg.Campaigns.Accounts || len(s.details) < 3 {
				t.Errorf("campaign %s: %d accounts, edits %v", id, len(s.accounts), s.details)
			}
		}
	}
	// 8,192 campaign rows in 4 lanes: each lane is short of at most its first
	// and its last campaign.
	rows := n / 10
	if want := rows/cfg.Campaigns.Posts - 8; whole < want {
		t.Errorf("%d whole campaigns of %d, want at least %d", whole, len(campaigns), want)
	}
	for _, e := range edits {
		if details[e.name] == 0 {
			t.Errorf("no copy has the edit %s: %v", e.name, details)
		}
	}
}

// words cuts s at everything that no word contains, as a plain search does.
func words(s string) string {
	return " " + strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	}), " ") + " "
}

// Terms stand in term and news rows as words, in disguised rows never as they
// are, in look-alikes never as words, and nowhere else at all.
func TestTermsAreWhereTheTruthSaysSo(t *testing.T) {
	g := newGenerator(t, DefaultConfig())
	terms, err := Terms()
	if err != nil {
		t.Fatal(err)
	}
	whole := func(text string) string {
		text = words(text)
		for _, w := range terms {
			if strings.Contains(text, " "+w+" ") {
				return w
			}
		}
		return ""
	}
	count := map[string]int{}
	for _, p := range posts(t, g, 0, 60_000) {
		count[p.Truth.Kind+"/"+p.Truth.Detail]++
		hit := whole(p.Text)
		switch p.Truth.Kind {
		case "term", "news":
			if hit != p.Truth.ID {
				t.Errorf("%+v: the term is not a word of %q", p.Truth, p.Text)
			}
		case "disguise":
			if p.Truth.Detail != "uppercase" && hit != "" || strings.Contains(p.Text, p.Truth.ID) {
				t.Errorf("%+v: no disguise in %q", p.Truth, p.Text)
			}
		case "lookalike":
			if hit != "" {
				t.Errorf("%+v: %q is a word of %q", p.Truth, hit, p.Text)
			}
			first, _, _ := strings.Cut(p.Truth.ID, " ")
			if p.Truth.Detail == "substring" && !strings.Contains(p.Text, first) {
				t.Errorf("%+v: nothing alike in %q", p.Truth, p.Text)
			}
		default:
			for _, w := range terms {
				if strings.Contains(strings.ToLower(p.Text), w) {
					t.Errorf("%s row with the term %q: %q", p.Truth.Kind, w, p.Text)
				}
			}
		}
	}
	for _, want := range []string{
		"term/plain", "news/news", "news/counter", "news/counter_unlisted", "lookalike/lyrics",
		"lookalike/substring", "lookalike/split", "organic/", "burst/author",
	} {
		if count[want] == 0 {
			t.Errorf("no row is %s", want)
		}
	}
	for i := range disguises {
		if count["disguise/"+disguises[i].name] == 0 {
			t.Errorf("no row has the disguise %s", disguises[i].name)
		}
	}
}

func TestDisguises(t *testing.T) {
	tb, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, term := range tb.terms {
		fits := 0
		for i := range disguises {
			d := &disguises[i]
			if !d.fits(&term) {
				continue
			}
			fits++
			r := rng{7}
			for range 50 {
				if got := string(d.write(nil, term.text, &r)); got == term.text || !plain(got) {
					t.Errorf("%s of %q is %q", d.name, term.text, got)
				}
			}
		}
		if fits < 4 {
			t.Errorf("%q has %d disguises only", term.text, fits)
		}
	}
}

// A burst has one author or one hashtag in all its posts.
func TestBursts(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Shares.Burst, cfg.BurstSize = 0.05, 100
	g := newGenerator(t, cfg)
	authors, tags, size := map[string][]string{}, map[string][]string{}, map[string]int{}
	const n = 5 * blockRows
	for _, p := range posts(t, g, 0, n) {
		if p.Truth.Kind != "burst" {
			continue
		}
		size[p.Truth.ID]++
		switch p.Truth.Detail {
		case "author":
			authors[p.Truth.ID] = append(authors[p.Truth.ID], p.Author.ID)
		case "hashtag":
			tags[p.Truth.ID] = append(tags[p.Truth.ID], p.Hashtags...)
		}
	}
	if len(size) != n/20/100+1 || size["b0"] != 100 || size["b1"] != 100 {
		t.Errorf("bursts of %v", size)
	}
	for _, by := range []map[string][]string{authors, tags} {
		for id, keys := range by {
			if slices.Sort(keys); len(slices.Compact(keys)) != 1 || len(keys) != size[id] {
				t.Errorf("burst %s of %d posts has keys %v", id, size[id], slices.Compact(keys))
			}
		}
		if len(by) < 3 {
			t.Errorf("only %d bursts of a sort", len(by))
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, bad := range []string{"{", "{}", "{Q}", "{S", "a {SS} b"} {
		if _, err := parseTemplates([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
