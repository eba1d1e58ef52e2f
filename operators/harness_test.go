package operators_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/repartition"
	"github.com/sluicehq/sluice/operators/rules"
	"github.com/sluicehq/sluice/operators/score"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// chainFiles are the lists and rules of the harness's chain.
var chainFiles = memFiles{
	"terms.csv": "term,weight\nzorvath,1\nkrelling dawn,2\nзорват,1\nزورفات,1\n東京,1\n",
	"links.txt": "short.example\n",
	"kinds.yaml": `
- {term: "zor*", weight: 0.5}
- {term: "z?rvath", language: en}
- {term: "krel*ng", view: raw}
- {term: "orva", match: substring}
- {term: "京", match: substring, view: raw}
- regex:zorv[aeiou]th\s+\w+
- regex:[0-9],[0-9]
- url:example.org
- {term: "d?w", weight: -2, language: fr}
- "d*w?"
`,
	"made.slm": madeModel(2, 10, 3, 5),
	"rules.yaml": `
- id: term-twice
  version: 1
  owner: test
  severity: high
  mode: live
  when: match.terms >= 2 || (match.terms > 0 && url_domains.exists(d, d in list.links))
- id: new-account
  version: 2
  owner: test
  severity: low
  mode: shadow
  when: has(author.followers) && author.followers < 10 && size(text) > 20
- id: everything
  version: 1
  owner: test
  severity: info
  mode: live
  when: token_count >= 0
`,
}

// madeModel returns the file of a model of random weights, with pieces of least
// to most characters.
func madeModel(heads, bits, least, most int) string {
	card := model.Card{Name: "made", Version: 1, Features: model.Features{
		View: "folded", Words: 2, PieceMin: least, PieceMax: most, Bits: bits, Norm: "sqrt", Text: model.Probe(),
	}}
	r := rand.New(rand.NewPCG(5, 6))
	var weights [][]int8
	var tables [][]float32
	for h := range heads {
		card.Heads = append(card.Heads, model.Head{Name: fmt.Sprintf("head%d", h), Scale: 0.01, Low: -4, High: 4, Threshold: 1})
		w, table := make([]int8, 1<<bits), make([]float32, model.TableSize)
		for i := range w {
			w[i] = int8(r.IntN(255) - 127)
		}
		for i := range table {
			table[i] = float32(i) / model.TableSize
		}
		weights, tables = append(weights, w), append(tables, table)
	}
	m, err := model.New(card, weights, tables)
	if err != nil {
		panic(err)
	}
	b, err := m.Encode()
	if err != nil {
		panic(err)
	}
	return string(b)
}

// chainConfig changes an operator's default config for the harness's chain.
func chainConfig(cfg any) {
	switch c := cfg.(type) {
	case *normalize.Config:
		c.Views, c.Evasion = []string{normalize.Folded, normalize.Skeleton, normalize.Squeezed}, true
	case *fingerprint.Config:
		c.MinHash.Bands = 16
	case *match.Config:
		c.Lists = map[string]match.List{
			"terms":  {Path: "terms.csv"},
			"links":  {Path: "links.txt", On: "url_domains"},
			"kinds":  {Path: "kinds.yaml"},
			"urls":   {Terms: []string{"short.example/y"}, On: "urls"},
			"tags":   {Terms: []string{"da*n"}, On: "hashtags", View: "raw"},
			"hidden": {Terms: []string{"zorvath", "krelling dawn", "зорват"}, View: "squeezed"},
			"alike":  {Terms: []string{"zorvath"}, View: "skeleton"},
		}
	case *score.Config:
		c.Model, c.Threshold = "made.slm", map[string]float64{"head0": 0.5, "head1": 0.4}
	case *repartition.Config:
		c.By, c.Topic = "author_id", "by-author"
	case *rules.Config:
		c.Files = []string{"rules.yaml"}
	}
}

// chainPosts are posts in many scripts: hits, phrases across punctuation,
// links, empty text, text of marks only, long words, and nulls.
func chainPosts(t testing.TB, mem memory.Allocator) arrow.Record {
	rows := []pipelinetest.Row{
		{"text": "Zorvath rises with the Krelling  Dawn, ZORVATH!", "author_followers": 3, "lang": "en"},
		{"text": "Nothing to see here", "author_followers": 30000},
		{"text": ""},
		{"text": "ЗОРВАТ и зорва\u0301т сегодня", "lang": "ru"},
		{"text": "زُورفات في الأخبار", "lang": "ar", "author_followers": 5},
		{"text": "今日は東京タワーへ", "lang": "ja"},
		{"text": "see https://short.example/x and http://www.EXAMPLE.org zorvath", "urls": []string{"https://short.example/y"}},
		{"text": "krelling, dawn? krelling\ndawn; krellingdawn", "hashtags": []string{"dawn"}},
		{"text": "ﬁne ｆｕｌｌｗｉｄｔｈ zor\u200bvath z\u00f6rvath", "mentions": []string{"someone"}},
		{"text": "\u0301\u0302\u200d\u202e"},
		{"text": "हिन्दी में एक वाक्य 👩‍👩‍👧‍👦 #tag @user $CASH 12,345.67 a@b.example"},
		{"text": "ภาษาไทยไม่มีช่องว่าง zorvath krelling dawn zorvath"},
		{"text": fmt.Sprintf("%0300d zorvath", 7)},
		{"text": "z0rvath, z o r v a t h and zоrvаth; krelling d4wn, з0рват \u202ehtavroz\u202c z&#111;rvath"},
		{"text": strings.Repeat("ᴢᴏʀᴠᴀᴛʜ zzzorvath 🇿🇴🇷🇻🇦🇹🇭 ", 20)},
	}
	return pipelinetest.Posts(t, mem, rows)
}

// TestHarness runs every operator through the harness, each on what the ones
// before it in operators.All make of the posts.
func TestHarness(t *testing.T) {
	all := operators.All()
	for i, f := range all {
		t.Run(f.Name, func(t *testing.T) {
			cfg := f.NewConfig()
			chainConfig(cfg)
			pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
				Factory: f, Config: cfg, Files: chainFiles,
				Input: func(t testing.TB, mem memory.Allocator) arrow.Record { return upstream(t, mem, all[:i]) },
			})
		})
	}
}

// upstream runs the chain's posts through operators.
func upstream(t testing.TB, mem memory.Allocator, ops []pipeline.Factory) arrow.Record {
	t.Helper()
	rec := chainPosts(t, mem)
	for _, f := range ops {
		cfg := f.NewConfig()
		chainConfig(cfg)
		bc := pipeline.BuildContext{Pipeline: "test", Name: f.Name, Files: chainFiles, Mem: mem, Logger: slog.New(slog.DiscardHandler)}
		plan, err := f.PlanOperator(bc, cfg, rec.Schema())
		if err != nil {
			t.Fatal(err)
		}
		var out arrow.Record
		err = plan.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
			if b.Stream == pipeline.Posts && out == nil {
				out = b.Record
			} else {
				b.Record.Release()
			}
			return nil
		})
		if err != nil || out == nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		rec.Release()
		rec = out
	}
	return rec
}

// TestHits makes sure that the chain's posts have something to find, so that
// the harness compares more than empty columns.
func TestHits(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	all := operators.All()
	rec := upstream(t, mem, all)
	defer rec.Release()
	terms, total := map[string]int{}, map[string]int{}
	for r := range int(rec.NumRows()) {
		for _, h := range hitsOf(rec, r) {
			total[h.list]++
			terms[h.list+" "+h.term]++
		}
	}
	for list, want := range map[string]int{"terms": 12, "links": 1, "kinds": 20, "urls": 1, "tags": 1} {
		if total[list] < want {
			t.Errorf("%d hits of the list %s, want at least %d: %v", total[list], list, want, terms)
		}
	}
}
