package operators_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/text/disguise/evade"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

// The terms of the evasion test, by script: made-up words and ordinary ones.
var evasionTerms = [][]string{
	strings.Fields(`zorvath krelling blorb zindle quambly vextor mirdan folgath drasken yuvlo
		attack bomb crypto winner free secret market silver border winter garden window summer family doctor
		orange banana kitchen monkey pencil rocket camera tiger planet museum castle dragon forest
		bridge engine flower guitar hammer island jacket ladder mirror needle office parrot ribbon
		saddle ticket tunnel valley wallet yellow zipper anchor basket candle desert ginger helmet
		jungle kettle lemon magnet napkin olive pepper quiver raven shadow turtle umbrella velvet walrus meadow copper`),
	strings.Fields(`зорват крелин блорб зиндел квамбл векстор мирдан фолгат драскен ювлор
		атака бомба крипта победа свобода секрет рынок серебро граница зима погода окно лето семья доктор
		апельсин банан кухня обезьяна карандаш ракета камера тигр планета музей замок дракон лиса
		мост мотор цветок гитара молоток остров куртка лестница зеркало игла контора попугай лента
		седло билет туннель долина кошелек якорь корзина свеча пустыня`),
	strings.Fields(`زورفات كريلنغ بلورب زندول قمبلي فكستور ميردان فلغاث درسكن يوفلو
		هجوم قنبلة عملة فائز حرية سرية اسواق فضية حدود شتاء حديقة نافذة صيفي عائلة طبيب
		برتقال موزة مطبخ قرود قلمان صاروخ كاميرا نمور كوكب متحف قلعة تنين غابة
		جسور محرك زهرة قيثارة مطرقة جزيرة سترة سلالم مراة ابرة مكتب ببغاء شريط
		سروج تذكرة نفقان وادي محفظة مرساة سلال شمعة صحراء`),
}

// around are ordinary sentences to hide a word in, by script.
var around = [][]string{
	{"they said that %s is a thing to see", "%s was here again today", "I saw a %s, and then went home", "nobody talks about the %s", "what a %s! really"},
	{"они сказали, что %s и есть то самое", "%s снова здесь сегодня", "я видел %s, а потом ушел домой", "никто не говорит про %s", "вот это %s! правда"},
	{"قالوا إن %s هو الشيء نفسه", "%s هنا مرة أخرى اليوم", "رأيت %s، ثم عدت إلى البيت", "لا أحد يتحدث عن %s", "يا له من %s! حقا"},
}

// hit is one element of the hits columns.
type hitRow struct {
	term, view, disguise string
	start, end           int
}

// findAll runs texts through normalize, tokenize and match, and returns the hits
// by text.
func findAll(t testing.TB, terms []string, view string, texts []string) [][]hitRow {
	t.Helper()
	mem := memory.DefaultAllocator
	c, err := newChain(mem, memFiles{"l.txt": strings.Join(terms, "\n")},
		step{normalize.Factory(), &normalize.Config{Views: []string{normalize.Folded}}}, step{factory: tokenize.Factory()},
		step{match.Factory(), &match.Config{Lists: map[string]match.List{"l": {Path: "l.txt", View: view}}}})
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]hitRow, 0, len(texts))
	for len(texts) > 0 {
		n := min(1000, len(texts))
		in := make([]post, n)
		for i := range in {
			in[i].text = texts[i]
		}
		texts = texts[n:]
		rec := posts(mem, in)
		err := c.run(0, pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
			out = append(out, hitRows(b.Record)...)
			b.Record.Release()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		rec.Release()
	}
	return out
}

func hitRows(rec arrow.Record) [][]hitRow {
	at := func(name string) arrow.Array { return rec.Column(rec.Schema().FieldIndices(name)[0]) }
	rows, terms := column.ViewList(at(pipeline.ColHitTerm))
	_, starts := column.ViewList(at(pipeline.ColHitStart))
	_, ends := column.ViewList(at(pipeline.ColHitEnd))
	_, views := column.ViewList(at(pipeline.ColHitView))
	_, disguises := column.ViewList(at(pipeline.ColHitDisguise))
	out := make([][]hitRow, rec.NumRows())
	for i := range out {
		for j := int(rows[i]); j < int(rows[i+1]); j++ {
			out[i] = append(out[i], hitRow{
				terms.ValueStr(j), views.ValueStr(j), disguises.ValueStr(j),
				int(starts.(*array.Uint32).Value(j)), int(ends.(*array.Uint32).Value(j)),
			})
		}
	}
	return out
}

// covers reports whether text[start:end] is all that can be read of
// text[from:to]: what is left of that is symbols, marks and controls.
func covers(text string, from, to, start, end int) bool {
	if start < from || end > to || start >= end {
		return false
	}
	for _, r := range text[from:start] + text[end:to] {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return false
		}
	}
	return true
}

// TestEvasion measures the recall against disguises: of each kind for each term,
// in a sentence, with the right span. Kinds that leave the word plain to see
// must be found in nine of ten cases, and all together in 97 of 100.
func TestEvasion(t *testing.T) {
	type sample struct {
		kind, term int
		from, to   int
	}
	kinds := evade.Kinds()
	var terms, texts []string
	var samples []sample
	skipped := 0
	for script, words := range evasionTerms {
		for i, w := range words {
			terms = append(terms, w)
			for k := range kinds {
				d := kinds[k].Disguise(w, i)
				if d == "" {
					skipped++
					continue
				}
				s := around[script][(i+k)%len(around[script])]
				from := strings.Index(s, "%s")
				texts = append(texts, strings.Replace(s, "%s", d, 1))
				samples = append(samples, sample{k, len(terms) - 1, from, from + len(d)})
			}
		}
	}
	if len(terms) < 200 || len(kinds) < 60 {
		t.Errorf("%d terms and %d kinds", len(terms), len(kinds))
	}
	found := findAll(t, terms, "squeezed", texts)
	hit, all, plain := make([]int, len(kinds)), make([]int, len(kinds)), make([]int, len(kinds))
	names, missed := make([]map[string]int, len(kinds)), make([]string, len(kinds))
	total, totalHit := 0, 0
	for i, s := range samples {
		all[s.kind]++
		total++
		ok := false
		for _, h := range found[i] {
			if h.term == terms[s.term] && covers(texts[i], s.from, s.to, h.start, h.end) {
				ok = true
				if names[s.kind] == nil {
					names[s.kind] = map[string]int{}
				}
				names[s.kind][h.disguise]++
				if h.view == "folded" {
					plain[s.kind]++
				}
			}
		}
		if ok {
			hit[s.kind]++
			totalHit++
		} else if len(missed[s.kind]) < 60 {
			missed[s.kind] += " " + texts[i][s.from:s.to]
		}
	}
	for k := range kinds {
		if all[k] == 0 {
			t.Errorf("kind %q applies to no term", kinds[k].Name)
			continue
		}
		share := float64(hit[k]) / float64(all[k])
		most := ""
		for n, c := range names[k] {
			if most == "" || c > names[k][most] || c == names[k][most] && n < most {
				most = n
			}
		}
		hard := ""
		if kinds[k].Hard {
			hard = "hard to read"
		}
		t.Logf("%-28s %3d of %3d  %5.1f %%  folded %3d  %-24s %s%s", kinds[k].Name, hit[k], all[k], 100*share, plain[k], most, hard, missed[k])
		if share < 0.9 && !kinds[k].Hard {
			t.Errorf("kind %q: recall %.1f %%, want 90", kinds[k].Name, 100*share)
		}
	}
	recall := float64(totalHit) / float64(total)
	t.Logf("%d kinds, %d terms: %d of %d disguises found, %.2f %%; %d do not apply", len(kinds), len(terms), totalHit, total, 100*recall, skipped)
	if recall < 0.97 {
		t.Errorf("recall %.2f %%, want 97", 100*recall)
	}
}
