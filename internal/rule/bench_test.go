package rule

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

const benchLists = 50

func benchSchema() *arrow.Schema {
	extra := []arrow.Field{
		{Name: pipeline.ColURLDomains, Type: pipeline.ListOf(arrow.BinaryTypes.String)},
		{Name: pipeline.ColTextHash, Type: arrow.PrimitiveTypes.Uint64},
	}
	for i := range benchLists {
		extra = append(extra, arrow.Field{Name: fmt.Sprintf("match.l%d", i), Type: arrow.PrimitiveTypes.Int32})
	}
	return pipeline.PostsSchema(extra...)
}

var benchWords = strings.Fields("the a of to and in is it you that he was for on are with as his they at be this from have or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part")

// benchRecord is 1,024 posts of about 130 bytes; a list hits one post in 500.
func benchRecord(n int) arrow.Record {
	r := rand.New(rand.NewSource(1))
	schema := benchSchema()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for row := range n {
		for i, f := range schema.Fields() {
			switch fb := b.Field(i).(type) {
			case *array.StringBuilder:
				switch f.Name {
				case pipeline.ColText:
					words := make([]string, 24)
					for k := range words {
						words[k] = benchWords[r.Intn(len(benchWords))]
					}
					fb.Append(strings.Join(words, " "))
				case pipeline.ColLang:
					fb.Append([]string{"en", "de", "ja", "pt"}[r.Intn(4)])
				case pipeline.ColAuthorHandle, pipeline.ColAuthorID:
					fb.Append(fmt.Sprintf("user%d.example", r.Intn(1_000_000)))
				default:
					fb.Append(fmt.Sprintf("v%d", row))
				}
			case *array.Int64Builder:
				fb.Append(int64(r.Intn(10_000)))
			case *array.Int32Builder:
				if r.Intn(500) == 0 {
					fb.Append(int32(1 + r.Intn(3)))
				} else {
					fb.Append(0)
				}
			case *array.Uint64Builder:
				fb.Append(r.Uint64())
			case *array.TimestampBuilder:
				fb.Append(arrow.Timestamp(1767225600000 - int64(r.Intn(1e9))))
			case *array.ListBuilder:
				fb.Append(true)
				for range r.Intn(3) {
					fb.ValueBuilder().(*array.StringBuilder).Append(fmt.Sprintf("site%d.example", r.Intn(100_000)))
				}
			}
		}
	}
	return b.NewRecord()
}

// benchRule is rule i of a mix: lists, equality, elements, literals, patterns.
func benchRule(i int) string {
	switch i % 5 {
	case 0:
		return fmt.Sprintf("match.l%d >= %d && lang == %q && author.followers < %d && text.contains(\"w%d\")", i/5%benchLists, 2+i/5%2, []string{"en", "de"}[i%2], 10+i%7*100, i)
	case 1:
		return fmt.Sprintf("author_handle == \"user%d.example\" && created_at - author.created_at < duration(\"24h\")", i*37)
	case 2:
		return fmt.Sprintf("url_domains.exists(d, d == \"site%d.example\") || \"tag%d\" in hashtags", i*31, i)
	case 3:
		return fmt.Sprintf("text.contains(\"phrase%d here\") && !(match.l0 > 0)", i)
	}
	return fmt.Sprintf("text.matches(\"offer%d (now|today)\") && size(text) > 20", i)
}

func benchSet(tb testing.TB, n int, when func(int) string) *Set {
	rules := make([]*Rule, n)
	for i := range rules {
		rules[i] = &Rule{ID: fmt.Sprintf("rule-%06d", i), Mode: Live, When: when(i)}
	}
	set, err := NewSet(rules...)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func BenchmarkMatch(b *testing.B) {
	env, err := NewEnv(benchSchema())
	if err != nil {
		b.Fatal(err)
	}
	rec := benchRecord(1024)
	mixes := []struct {
		name string
		when func(int) string
	}{
		{"mix", benchRule},
		{"lists", func(i int) string { return benchRule(5 * i) }},
		{"equality", func(i int) string { return benchRule(5*i + 1) }},
		{"elements", func(i int) string { return benchRule(5*i + 2) }},
		{"contains", func(i int) string { return benchRule(5*i + 3) }},
		{"regex", func(i int) string { return benchRule(5*i + 4) }},
		{"interpreted", func(i int) string {
			return fmt.Sprintf("author_handle == \"user%d.example\" && text.split(\" \").size() > 3", i*37)
		}},
		{"unindexed", func(i int) string { return fmt.Sprintf("author.followers < %d && size(text) > %d", i, i%100) }},
	}
	for _, m := range mixes {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("%s/rules=%d", m.name, n), func(b *testing.B) {
				prog, err := env.Compile(benchSet(b, n, m.when))
				if err != nil {
					b.Fatal(err)
				}
				ev := prog.NewEvaluator()
				fired := 0
				for range 3 {
					f, err := ev.Match(rec)
					if err != nil {
						b.Fatal(err)
					}
					fired = len(f)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ev.Match(rec); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/row")
				b.ReportMetric(float64(fired), "fired")
			})
		}
	}
}

// BenchmarkInterpreted measures one condition that cel-go's interpreter
// evaluates on every row.
func BenchmarkInterpreted(b *testing.B) {
	env, err := NewEnv(benchSchema())
	if err != nil {
		b.Fatal(err)
	}
	rec := benchRecord(1024)
	prog, err := env.Compile(benchSet(b, 1, func(int) string { return `author_handle.upperAscii() == "X"` }))
	if err != nil {
		b.Fatal(err)
	}
	ev := prog.NewEvaluator()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ev.Match(rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/row")
}

// BenchmarkLoad measures reading and compiling 10,000 rules.
func BenchmarkLoad(b *testing.B) {
	env, err := NewEnv(benchSchema())
	if err != nil {
		b.Fatal(err)
	}
	data := ruleFile(10_000)
	b.ReportAllocs()
	for b.Loop() {
		rules, err := ParseFile("rules.yaml", data)
		if err != nil {
			b.Fatal(err)
		}
		set, err := NewSet(rules...)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := env.Compile(set); err != nil {
			b.Fatal(err)
		}
	}
}

func ruleFile(n int) []byte {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "- id: rule-%06d\n  version: 2\n  owner: team\n  severity: low\n  labels: [a, b]\n  when: |\n    %s\n  tests:\n  - {post: {text: \"something\"}, expect: no_match}\n", i, benchRule(i))
	}
	return []byte(s.String())
}

// TestLoadIsLinear guards against quadratic work in parsing and compiling.
func TestLoadIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	env, err := NewEnv(benchSchema())
	if err != nil {
		t.Fatal(err)
	}
	load := func(n int) time.Duration {
		data, start := ruleFile(n), time.Now()
		rules, err := ParseFile("rules.yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		set, err := NewSet(rules...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := env.Compile(set); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	load(100)
	small, large := load(1000), load(8000)
	t.Logf("1,000 rules in %v, 8,000 in %v", small, large)
	if large > 32*small { // four times what linear time would be
		t.Errorf("8,000 rules took %v, 1,000 took %v: not linear", large, small)
	}
}
