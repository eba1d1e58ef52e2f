package operators_test

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

var harnessPosts = []post{
	{text: "Good morning, World! See https://www.example.org/a?b #News @someone", urls: []string{"https://bit.ly/1"}, hashtags: []string{"News"}},
	{text: ""},
	{text: "ДОБРОЕ Утро, мир — ёлка ﷺ ½ Straße"},
	{text: "東京都は大きい。ภาษาไทย น้ำ हिन्दी 안녕하세요 👍🏽🇩🇪", hashtags: []string{"東京", "ＮＥＷＳ"}},
	{text: "e\u0301 \u200b\u202e! ...", urls: []string{"", "nonsense", "http://a.b.co.uk/", "http://c.b.co.uk/"}},
	{text: "good MORNING good morning 42 3.14 don’t example.com t.me/x end.it"},
	{text: "\x00\x01control\x7f"},
}

// TestHarness runs each step, behind those it needs, by the harness: any cuts,
// slices and workers must give the same rows.
func TestHarness(t *testing.T) {
	lists := &match.Config{Lists: map[string]match.List{
		"greet":  {Path: "greet.csv", Terms: []string{"Доброе утро", "東京都", "👍"}},
		"tag":    {Terms: []string{"#news"}},
		"exact":  {Terms: []string{"MORNING"}, View: "raw"},
		"links":  {Terms: []string{"example.org", "bit.ly"}, On: pipeline.ColURLDomains},
		"topics": {Terms: []string{"#NEWS", "東京"}, On: pipeline.ColHashtags},
	}}
	files := memFiles{"greet.csv": "lang,term\nen,good morning\nen,morning\nde,strasse\n"}
	steps := []step{{factory: normalize.Factory()}, {factory: tokenize.Factory()}, {factory: fingerprint.Factory()}, {match.Factory(), lists}}
	for i, s := range steps {
		t.Run(s.factory.Name, func(t *testing.T) {
			pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
				Factory: s.factory, Config: s.config, Files: files,
				Input: func(t testing.TB, mem memory.Allocator) (out arrow.Record) {
					c, err := newChain(mem, files, steps[:i]...)
					if err != nil {
						t.Fatal(err)
					}
					rec := posts(mem, harnessPosts)
					defer rec.Release()
					if err := c.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
						out = b.Record
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					return out
				},
			})
		})
	}
}

// TestSteadyState checks that the steps allocate by the column, not by the row.
func TestSteadyState(t *testing.T) {
	per := func(rows int) float64 {
		var in []post
		for i := range rows {
			in = append(in, harnessPosts[i%len(harnessPosts)])
		}
		mem := newPool()
		c, err := newChain(mem, nil, step{factory: normalize.Factory()}, step{factory: tokenize.Factory()}, step{factory: fingerprint.Factory()},
			step{match.Factory(), &match.Config{Lists: map[string]match.List{"a": {Terms: []string{"good morning", "世界"}}, "b": {Terms: []string{"News"}, On: pipeline.ColHashtags}}}})
		if err != nil {
			t.Fatal(err)
		}
		rec := posts(mem, in)
		defer rec.Release()
		return testing.AllocsPerRun(20, func() {
			if err := c.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error { b.Record.Release(); return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := per(70), per(7000)
	if many > few+70 { // a pool may grow now and then
		t.Errorf("%v allocations for a batch of 70 rows, %v for 7000", few, many)
	}
}
