package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite testdata")

// post is a row as a reader sees it.
type post struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Author    struct {
		ID        string    `json:"id"`
		Handle    string    `json:"handle"`
		Followers int64     `json:"followers"`
		Following int64     `json:"following"`
		CreatedAt time.Time `json:"created_at"`
	} `json:"author"`
	Text     string   `json:"text"`
	Lang     string   `json:"lang"`
	Kind     string   `json:"kind"`
	ReplyTo  string   `json:"reply_to"`
	QuoteOf  string   `json:"quote_of"`
	RepostOf string   `json:"repost_of"`
	URLs     []string `json:"urls"`
	Hashtags []string `json:"hashtags"`
	Mentions []string `json:"mentions"`
	Media    []string `json:"media_hashes"`
	Platform string   `json:"platform"`
	Truth    struct {
		Kind   string `json:"kind"`
		ID     string `json:"id"`
		Detail string `json:"detail"`
	} `json:"truth"`
}

func newGenerator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func parse(t testing.TB, line []byte) post {
	t.Helper()
	var p post
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return p
}

func posts(t testing.TB, g *Generator, from, n int64) []post {
	t.Helper()
	out := make([]post, 0, n)
	var buf []byte
	for i := from; i < from+n; i++ {
		buf = g.AppendRow(buf[:0], i)
		out = append(out, parse(t, buf))
	}
	return out
}

// The first 10,000 rows of some configs never change: a change here changes
// every figure that was measured on generated data.
func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, seed := range []uint64{0, 1, 42} {
		cfg := DefaultConfig()
		cfg.Seed = seed
		h := sha256.New()
		if err := Write(h, cfg, 0, 10_000); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "seed %d: %s\n", seed, hex.EncodeToString(h.Sum(nil)))
	}
	path := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("rows changed; if that is meant, run with -update\ngot:\n%swant:\n%s", got.Bytes(), want)
	}
}

// Any row is the same whichever generator makes it after whatever rows.
func TestResumeAnywhere(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Jitter = 2 * time.Second
	const n = 20_000
	whole := newGenerator(t, cfg).AppendLines(nil, 0, n)
	var starts []int
	for at := 0; at < len(whole); {
		starts = append(starts, at)
		at += bytes.IndexByte(whole[at:], '\n') + 1
	}
	starts = append(starts, len(whole))
	if len(starts) != n+1 {
		t.Fatalf("%d lines, want %d", len(starts)-1, n)
	}
	g := newGenerator(t, cfg)
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		from := r.IntN(n)
		rows := 1 + r.IntN(min(200, n-from))
		if r.IntN(3) == 0 {
			g = g.Clone()
		}
		if got := g.AppendLines(nil, int64(from), rows); !bytes.Equal(got, whole[starts[from]:starts[from+rows]]) {
			t.Fatalf("rows %d to %d differ from those of one pass", from, from+rows)
		}
	}
	fresh := newGenerator(t, cfg).AppendRow(nil, n-1)
	if !bytes.Equal(fresh, bytes.TrimSuffix(whole[starts[n-1]:], []byte("\n"))) {
		t.Error("a fresh generator makes another last row")
	}
}

func TestSeedsDiffer(t *testing.T) {
	cfg := DefaultConfig()
	a := newGenerator(t, cfg)
	cfg.Seed++
	b := newGenerator(t, cfg)
	same := 0
	for i := range int64(1000) {
		if parse(t, a.AppendRow(nil, i)).Text == parse(t, b.AppendRow(nil, i)).Text {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%d of 1,000 texts are the same under another seed", same)
	}
}

// Every row is valid, unique, in time order, and refers to rows before it; its
// entities stand in its text.
func TestRowsAreSound(t *testing.T) {
	g := newGenerator(t, DefaultConfig())
	const n = 30_000
	rows := posts(t, g, 0, n)
	langs := map[string]int{}
	kinds := map[string]int{}
	bytesOfText := 0
	for i, p := range rows {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("row %d: %s: %s", i, fmt.Sprintf(format, args...), g.AppendRow(nil, int64(i)))
		}
		langs[p.Lang]++
		kinds[p.Kind]++
		bytesOfText += len(p.Text)
		if want := strconv.Itoa(1_000_000_000_000_000 + i); p.ID != want {
			fail("id %s, want %s", p.ID, want)
		}
		if p.CreatedAt.UnixMilli() != g.Time(int64(i)) || i > 0 && p.CreatedAt.Before(rows[i-1].CreatedAt) {
			fail("created_at %s is not row %d's time", p.CreatedAt, i)
		}
		if p.Text == "" || !utf8.ValidString(p.Text) || strings.ContainsRune(p.Text, utf8.RuneError) || len(p.Text) > 1000 {
			fail("text %q", p.Text)
		}
		if p.Author.ID == "" || p.Author.Handle == "" || p.Author.Followers < 0 || p.Author.Following < 0 {
			fail("author %+v", p.Author)
		}
		if p.Author.CreatedAt.After(p.CreatedAt) || p.Author.CreatedAt.Year() < 2008 {
			fail("account made at %s", p.Author.CreatedAt)
		}
		for _, e := range []struct {
			mark string
			list []string
		}{{"#", p.Hashtags}, {"@", p.Mentions}, {"https://", p.URLs}} {
			for _, v := range e.list {
				want := v
				if len(e.mark) == 1 {
					want = e.mark + v
				}
				if v == "" || !strings.Contains(p.Text, want) {
					fail("entity %q is not in the text", want)
				}
			}
			if got := strings.Count(p.Text, e.mark); got != len(e.list) && p.Truth.Detail != "truncated" {
				fail("%d of %q in the text, %d listed", got, e.mark, len(e.list))
			}
		}
		for _, u := range p.URLs {
			host, _, _ := strings.Cut(strings.TrimPrefix(u, "https://"), "/")
			if p.Truth.Detail == "truncated" {
				continue
			}
			if !strings.HasSuffix(host, ".test") && !strings.Contains("."+host+".", ".example.") {
				fail("%q is no reserved name", host)
			}
		}
		if parent := p.ReplyTo + p.QuoteOf + p.RepostOf; (parent == "") != (p.Kind == "post") {
			fail("kind %s with parent %q", p.Kind, parent)
		} else if parent != "" {
			at, _ := strconv.Atoi(parent)
			at -= 1_000_000_000_000_000
			if at < 0 || at >= i {
				fail("parent %q is no earlier row", parent)
			}
			if p.Kind == "repost" && (p.Text != rows[at].Text || p.Lang != rows[at].Lang || rows[at].Kind == "repost") {
				fail("is no copy of its parent %+v", rows[at])
			}
			if p.Kind == "reply" && !strings.HasPrefix(p.Text, "@"+rows[at].Author.Handle+" ") {
				fail("does not name the author of its parent, %s", rows[at].Author.Handle)
			}
		}
	}
	if len(langs) != len(languages) || langs["en"] < n/4 || langs["zh"] < n/200 {
		t.Errorf("languages: %v", langs)
	}
	if kinds["repost"] < n/20 || kinds["reply"] < n/10 || kinds["quote"] < n/50 || kinds["post"] < n/2 {
		t.Errorf("kinds: %v", kinds)
	}
	if mean := bytesOfText / n; mean < 100 || mean > 150 {
		t.Errorf("texts have %d bytes on average, want 100 to 150", mean)
	}
}

// Organic rows must not be copies of one another by accident, or they would
// drown the planted ones.
func TestOrganicTextsAreVaried(t *testing.T) {
	g := newGenerator(t, DefaultConfig())
	seen, organic := map[string]int{}, 0
	authors := map[string]int{}
	for _, p := range posts(t, g, 0, 50_000) {
		if p.Truth.Kind == "organic" && p.Kind != "repost" {
			organic++
			seen[p.Text]++
			authors[p.Author.ID]++
		}
	}
	if copies := organic - len(seen); copies > organic/200 {
		t.Errorf("%d of %d organic texts repeat another", copies, organic)
	}
	most := 0
	for _, n := range authors {
		most = max(most, n)
	}
	if most < 20 || most > organic/100 || len(authors) < organic/3 {
		t.Errorf("%d authors, the busiest with %d of %d posts: not a long tail", len(authors), most, organic)
	}
}

func TestWrite(t *testing.T) {
	cfg := DefaultConfig()
	var b bytes.Buffer
	if err := Write(&b, cfg, 123, 4567); err != nil {
		t.Fatal(err)
	}
	if want := newGenerator(t, cfg).AppendLines(nil, 123, 4567); !bytes.Equal(b.Bytes(), want) {
		t.Error("Write and AppendLines differ")
	}
	if err := Write(io.Discard, cfg, -1, 1); err == nil {
		t.Error("a negative row was accepted")
	}
	if err := Write(failing{}, cfg, 0, 10_000); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v, want the writer's", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestTruthCanBeLeftOut(t *testing.T) {
	cfg := DefaultConfig()
	with := newGenerator(t, cfg)
	cfg.Truth = false
	without := newGenerator(t, cfg)
	for i := range int64(3000) {
		a, b := with.AppendRow(nil, i), without.AppendRow(nil, i)
		cut := bytes.LastIndex(a, []byte(`,"truth":`))
		if string(a[:cut])+"}" != string(b) {
			t.Fatalf("row %d:\n%s\n%s", i, a, b)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	g := newGenerator(t, DefaultConfig())
	buf := g.AppendLines(nil, 0, 20_000) // warms the scratch memory up
	i := int64(0)
	if n := testing.AllocsPerRun(20, func() {
		buf = g.AppendLines(buf[:0], i, 1000)
		i += 1000
	}); n > 1 {
		t.Errorf("%v allocations in 1,000 rows, want none", n)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		field string
		set   func(*Config)
	}{
		{"start", func(c *Config) { c.Start = time.Time{} }},
		{"start", func(c *Config) { c.Start = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"event_rate", func(c *Config) { c.EventRate = 0 }},
		{"jitter", func(c *Config) { c.Jitter = -1 }},
		{"authors", func(c *Config) { c.Authors = 10 }},
		{"shares.term", func(c *Config) { c.Shares.Term = 1.5 }},
		{"shares.news", func(c *Config) { c.Shares.News = -0.1 }},
		{"shares", func(c *Config) { c.Shares.Campaign = 0.95 }},
		{"campaigns.posts", func(c *Config) { c.Campaigns.Posts = 0 }},
		{"campaigns.accounts", func(c *Config) { c.Campaigns.Accounts = 1 << 20 }},
		{"campaigns.concurrent", func(c *Config) { c.Campaigns.Concurrent = 0 }},
		{"burst_size", func(c *Config) { c.BurstSize = -3 }},
	} {
		cfg := DefaultConfig()
		c.set(&cfg)
		_, err := New(cfg)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != c.field {
			t.Errorf("%s: error %v", c.field, err)
		}
	}
}

// The last row that a config allows is as sound as the first.
func TestLastRow(t *testing.T) {
	for _, rate := range []int64{1, 1000, 10_000_000} {
		cfg := DefaultConfig()
		cfg.EventRate = rate
		g := newGenerator(t, cfg)
		p := parse(t, g.AppendRow(nil, g.MaxRows()-1))
		if p.CreatedAt.Year() > 9999 || p.Text == "" {
			t.Errorf("rate %d: %+v", rate, p)
		}
	}
}

func BenchmarkAppendRow(b *testing.B) {
	g := newGenerator(b, DefaultConfig())
	buf := make([]byte, 0, 1<<16)
	b.ReportAllocs()
	i, size := int64(0), 0
	for b.Loop() {
		buf = g.AppendRow(buf[:0], i)
		size += len(buf)
		i++
	}
	b.SetBytes(int64(size) / i)
}

func BenchmarkAppendLines1000(b *testing.B) {
	g := newGenerator(b, DefaultConfig())
	buf := make([]byte, 0, 1<<20)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		buf = g.AppendLines(buf[:0], i, 1000)
		i += 1000
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i), "ns/row")
	b.ReportMetric(float64(len(buf))/1000, "B/row")
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newGenerator(b, DefaultConfig())
	}
}
