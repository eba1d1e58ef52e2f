package rule

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/cel-go/common/types"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/pipeline"
)

// diffSchema has columns of every kind, nullable ones beside them.
func diffSchema() *arrow.Schema {
	p := arrow.PrimitiveTypes
	f := func(name string, t arrow.DataType, null bool) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: null}
	}
	str := arrow.BinaryTypes.String
	return arrow.NewSchema([]arrow.Field{
		f("s", str, false), f("sn", str, true),
		f("i", p.Int64, false), f("n", p.Int32, true), f("small", p.Uint8, true), f("match.a", p.Int32, false), f("match.b", p.Int32, false),
		f("u", p.Uint64, true),
		f("d", p.Float64, true), f("f", p.Float32, false),
		f("b", arrow.FixedWidthTypes.Boolean, true),
		f("t", pipeline.Timestamp, false), f("author_t", pipeline.Timestamp, true),
		f("ls", pipeline.ListOf(str), false), f("lsn", pipeline.ListOf(str), true),
		f("li", pipeline.ListOf(p.Int32), true), f("lu", pipeline.ListOf(p.Uint64), false), f("ld", pipeline.ListOf(p.Float64), true),
	}, nil)
}

var diffStrings = []string{"", "a", "b", "ab", "Abc", "needle in hay", "NEEDLE", "straße", "STRASSE", "needle", "xneedlex", "日本語", "日本"}

// expr draws the text of an expression of a kind. v is the name and kind of
// the variable of the comprehension around it, if any.
type exprGen struct {
	t       *rapid.T
	varName string
	varKind kind
	nested  int
}

func (g *exprGen) pick(what string, options ...string) string {
	return rapid.SampledFrom(options).Draw(g.t, what)
}

func (g *exprGen) str() string {
	return strconv.Quote(rapid.SampledFrom(diffStrings).Draw(g.t, "str"))
}

func (g *exprGen) int() string {
	return strconv.FormatInt(rapid.SampledFrom([]int64{0, 1, 2, 3, -1, 7, 1000, math.MaxInt64, math.MinInt64, 255}).Draw(g.t, "int"), 10)
}

func (g *exprGen) strings() string {
	n := rapid.IntRange(1, 4).Draw(g.t, "n")
	parts := make([]string, n)
	for i := range parts {
		parts[i] = g.str()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (g *exprGen) expr(k kind, depth int) string {
	if g.varKind == k && rapid.IntRange(0, 2).Draw(g.t, "var") > 0 {
		return g.varName
	}
	leaf := depth <= 0
	cmp := func() string { return g.pick("cmp", "==", "!=", "<", "<=", ">", ">=") }
	bin := func(k kind, ops ...string) string {
		return "(" + g.expr(k, depth-1) + " " + g.pick("op", ops...) + " " + g.expr(k, depth-1) + ")"
	}
	cond := func() string {
		return "(" + g.expr(kBool, depth-1) + " ? " + g.expr(k, depth-1) + " : " + g.expr(k, depth-1) + ")"
	}
	switch k {
	case kString:
		if leaf {
			return g.pick("s", "s", "sn", g.str())
		}
		return g.pick("s", "s", "sn", g.str(), g.expr(kString, 0)+".lowerAscii()", "("+g.expr(kString, 0)+" + "+g.str()+")")
	case kInt:
		if leaf {
			return g.pick("i", "i", "n", "small", "match.a", g.int())
		}
		return rapid.Custom(func(t *rapid.T) string {
			switch rapid.IntRange(0, 8).Draw(t, "i") {
			case 0, 1, 2:
				return bin(kInt, "+", "-", "*", "/", "%")
			case 3:
				return "size(" + g.pick("size", "s", "sn", "ls", "lsn", "li", g.str()) + ")"
			case 4:
				return g.expr(kString, depth-1) + ".size()"
			case 5:
				return g.expr(kTime, depth-1) + "." + g.pick("part", "getHours", "getMinutes", "getSeconds", "getMilliseconds", "getDayOfWeek", "getFullYear") + "()"
			case 6:
				return cond()
			case 7:
				return "-(" + g.expr(kInt, depth-1) + ")"
			}
			return g.pick("i", "i", "n", "small", "match.a", g.int())
		}).Draw(g.t, "int expr")
	case kUint:
		return g.pick("u", "u", "0u", "5u", "18446744073709551615u", "(u + 1u)", "(u * 3u)", "(u - 2u)", "(u / 2u)", "(u % 3u)")
	case kDouble:
		if leaf {
			return g.pick("d", "d", "f", "0.5", "-1.0", "double(i)", "double(n)")
		}
		return g.pick("d", "d", "f", "0.5", bin(kDouble, "+", "-", "*", "/"), cond(), "-("+g.expr(kDouble, 0)+")")
	case kTime:
		return g.pick("t", "t", "author_t", "author.t", `timestamp("2026-01-01T00:00:00Z")`, `(t + duration("36h"))`, `(author.t - duration("15ms"))`, `(t + duration("1us"))`)
	case kDuration:
		return g.pick("dur", "(t - author.t)", "(author_t - t)", `duration("24h")`, `(t - author.t + duration("90s"))`, `(t - timestamp("2026-01-01T00:00:00Z"))`)
	}
	return g.bool(depth, leaf, cmp, bin, cond)
}

func (g *exprGen) bool(depth int, leaf bool, cmp func() string, bin func(kind, ...string) string, cond func() string) string {
	compare := func(k kind) string { return "(" + g.expr(k, depth-1) + " " + cmp() + " " + g.expr(k, depth-1) + ")" }
	n := rapid.IntRange(0, 21).Draw(g.t, "bool")
	if leaf {
		n = n%4 + 100
	}
	switch n {
	case 100:
		return g.pick("b", "b", "true", "false")
	case 101:
		return "has(" + g.pick("has", "sn", "s", "n", "i", "author.t", "author_t", "ls", "lsn", "b", "match.a") + ")"
	case 102:
		return "(match.a " + cmp() + " " + g.int() + ")"
	case 103:
		return "(match.b > 0)"
	case 0, 1, 2:
		return "(" + g.expr(kBool, depth-1) + " && " + g.expr(kBool, depth-1) + ")"
	case 3, 4, 5:
		return "(" + g.expr(kBool, depth-1) + " || " + g.expr(kBool, depth-1) + ")"
	case 6:
		return "!" + g.expr(kBool, depth-1)
	case 7:
		return cond()
	case 8:
		return compare(rapid.SampledFrom([]kind{kInt, kUint, kDouble, kString, kTime, kDuration}).Draw(g.t, "kind"))
	case 9:
		return compare(kInt)
	case 10:
		return compare(kString)
	case 11:
		return "(" + g.expr(kString, depth-1) + " in " + g.strings() + ")"
	case 12:
		return "(" + g.expr(kString, depth-1) + " in list.words)"
	case 13:
		return "(" + g.expr(kInt, depth-1) + " in [1, 2, 255])"
	case 14:
		return g.expr(kString, depth-1) + "." + g.pick("fn", "contains", "startsWith", "endsWith") + "(" + g.str() + ")"
	case 15:
		return g.expr(kString, depth-1) + ".matches(" + g.pick("re", `"^a"`, `"needle|straße"`, `"(?i)needle"`, `"(?i)(x|needle in) ?|hay.*NEEDLE"`, `"(?i)strasse"`, `"n.*hay"`, `"needle"`, `"日本.?"`) + ")"
	case 16:
		return "(" + g.pick("needle", g.str(), "s", "sn") + " in " + g.pick("list", "ls", "lsn") + ")"
	case 17:
		return "(" + g.expr(kBool, depth-1) + " " + g.pick("eq", "==", "!=") + " " + g.expr(kBool, depth-1) + ")"
	}
	if g.nested > 0 {
		return g.expr(kBool, depth-1)
	}
	return g.comprehension(depth)
}

func (g *exprGen) comprehension(depth int) string {
	lists := map[string]kind{"ls": kString, "lsn": kString, "li": kInt, "lu": kUint, "ld": kDouble, g.strings(): kString}
	names := []string{"ls", "lsn", "li", "lu", "ld"}
	for l := range lists {
		if strings.HasPrefix(l, "[") {
			names = append(names, l, l)
		}
	}
	over := rapid.SampledFrom(names).Draw(g.t, "over")
	inner := &exprGen{t: g.t, varName: "e", varKind: lists[over], nested: 1}
	return over + "." + g.pick("macro", "exists", "all", "exists_one", "exists") + "(e, " + inner.expr(kBool, depth-1) + ")"
}

// diffRecord draws rows. Values cluster so that comparisons go both ways.
func diffRecord(t *rapid.T, schema *arrow.Schema) arrow.Record {
	n := rapid.SampledFrom([]int{1, 3, 63, 64, 65, 130}).Draw(t, "rows")
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	r := rapid.Uint64().Draw(t, "seed")
	next := func(k int) int { // splitmix64: drawing each value would be slow
		r += 0x9E3779B97F4A7C15
		z := (r ^ r>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		return int((z ^ z>>31) % uint64(k))
	}
	for i, f := range schema.Fields() {
		for range n {
			if f.Nullable && next(4) == 0 {
				b.Field(i).AppendNull()
				continue
			}
			appendRandom(b.Field(i), next)
		}
	}
	return b.NewRecord()
}

func appendRandom(b array.Builder, next func(int) int) {
	ints := []int64{0, 1, 2, 3, -1, 7, 255, 1000, math.MaxInt64, math.MinInt64}
	doubles := []float64{0, 0.5, -1, 2.25, math.NaN(), math.Inf(1), math.MaxFloat64}
	times := []int64{0, 1767225600000, 1767225600000 + 86400000, 1767225612345, -1, -62135596800000, 253402300799999}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(diffStrings[next(len(diffStrings))])
	case *array.Int64Builder:
		b.Append(ints[next(len(ints))])
	case *array.Int32Builder:
		b.Append(int32(next(4)))
	case *array.Uint8Builder:
		b.Append([]uint8{0, 1, 2, 255}[next(4)])
	case *array.Uint64Builder:
		b.Append([]uint64{0, 1, 5, math.MaxUint64, 1 << 63}[next(5)])
	case *array.Float64Builder:
		b.Append(doubles[next(len(doubles))])
	case *array.Float32Builder:
		b.Append([]float32{0, 0.5, -1, float32(math.Inf(-1))}[next(4)])
	case *array.BooleanBuilder:
		b.Append(next(2) == 0)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(times[next(len(times))]))
	case *array.ListBuilder:
		b.Append(true)
		for range next(4) {
			appendRandom(b.ValueBuilder(), next)
		}
	}
}

// rowVars binds one row for cel-go, read without any code of the evaluator.
func rowVars(env *Env, rec arrow.Record, row int, lists map[string]any) map[string]any {
	vars := map[string]any{}
	maps.Copy(vars, lists)
	for i, f := range rec.Schema().Fields() {
		var v any
		col := rec.Column(i)
		empty := false
		switch a := col.(type) {
		case *array.String:
			v, empty = a.Value(row), a.Value(row) == ""
		case *array.Int64:
			v = a.Value(row)
		case *array.Int32:
			v = int64(a.Value(row))
		case *array.Uint8:
			v = int64(a.Value(row))
		case *array.Uint64:
			v = a.Value(row)
		case *array.Float64:
			v = a.Value(row)
		case *array.Float32:
			v = float64(a.Value(row))
		case *array.Boolean:
			v = a.Value(row)
		case *array.Timestamp:
			v = types.Timestamp{Time: time.UnixMilli(int64(a.Value(row))).UTC()}
		case *array.List:
			from, to := a.ValueOffsets(row)
			part := array.NewSlice(a.ListValues(), from, to)
			empty = from == to
			switch p := part.(type) {
			case *array.String:
				l := []string{}
				for j := range p.Len() {
					l = append(l, p.Value(j))
				}
				v = l
			case *array.Int32:
				l := []int64{}
				for j := range p.Len() {
					l = append(l, int64(p.Value(j)))
				}
				v = l
			case *array.Uint64:
				v = append([]uint64{}, p.Uint64Values()...)
			case *array.Float64:
				v = append([]float64{}, p.Float64Values()...)
			}
		}
		null := col.IsNull(row)
		vars[hasPrefix+f.Name] = !null && !empty
		if null {
			v = types.NewErr("null")
		}
		vars[f.Name] = v
		if rest, ok := strings.CutPrefix(f.Name, "author_"); ok {
			vars["author."+rest] = v
		}
	}
	return vars
}

// TestAgainstCEL compares the lowered evaluator with cel-go on random
// conditions and rows: the same value or an error on each row, through all
// ways of evaluation (whole, by the index, on slices of the record).
func TestAgainstCEL(t *testing.T) {
	schema := diffSchema()
	words := NewList("words", "Needle", "STRASSE", "日本")
	env, err := NewEnv(schema, words)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]any{"list.words": &termList{Lister: types.NewStringList(types.DefaultTypeAdapter, nil), list: words, folder: &folder{}}}
	interpreted, total := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rec := diffRecord(t, schema)
		defer rec.Release()
		var rules []*Rule
		for i := range rapid.IntRange(1, 8).Draw(t, "rules") {
			g := &exprGen{t: t}
			rules = append(rules, &Rule{ID: fmt.Sprintf("r%d", i), Mode: Live, When: g.expr(kBool, rapid.IntRange(0, 4).Draw(t, "depth"))})
		}
		set, err := NewSet(rules...)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := env.Compile(set)
		if err != nil {
			t.Fatalf("%v", err)
		}
		interpreted, total = interpreted+prog.Stats().Interpreted, total+len(rules)
		for i, r := range rules {
			compareRule(t, env, prog, i, r, rec, lists)
		}
		compareMatch(t, prog, rec)
	})
	t.Logf("%d of %d conditions had an interpreted part", interpreted, total)
	if interpreted*2 > total {
		t.Errorf("more than half of the conditions were interpreted: the kernels are hardly tested")
	}
}

func compareRule(t *rapid.T, env *Env, prog *Program, i int, r *Rule, rec arrow.Record, lists map[string]any) {
	ast, iss := env.cel.Compile(r.When)
	if iss.Err() != nil {
		t.Fatal(iss.Err())
	}
	ref, err := env.cel.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	got, err := prog.NewEvaluator().Verdict(rec, i, nil)
	if err != nil {
		t.Fatal(err)
	}
	for row := range int(rec.NumRows()) {
		out, _, err := ref.Eval(rowVars(env, rec, row, lists))
		want := False
		switch {
		case err != nil:
			want = Failed
		case out == types.True:
			want = True
		}
		if got[row] != want {
			t.Fatalf("%s\nrow %d: %v\n got %v\nwant %v (%v)", r.When, row, rowVars(env, rec, row, nil), got[row], want, err)
		}
	}
}

// compareMatch checks that Match finds, on the whole record and on slices of
// it, what Verdict says.
func compareMatch(t *rapid.T, prog *Program, rec arrow.Record) {
	n := int(rec.NumRows())
	want := map[Fired]bool{}
	for i := range prog.Rules() {
		vs, err := prog.NewEvaluator().Verdict(rec, i, nil)
		if err != nil {
			t.Fatal(err)
		}
		for row, v := range vs {
			if v == True {
				want[Fired{row, i}] = true
			}
		}
	}
	ev := prog.NewEvaluator()
	cut := rapid.IntRange(0, n).Draw(t, "cut")
	for _, cuts := range [][]int{{0, n}, {0, cut, n}, {0, n}} {
		found := 0
		for k := 1; k < len(cuts); k++ {
			part := rec.NewSlice(int64(cuts[k-1]), int64(cuts[k]))
			fired, err := ev.Match(part)
			part.Release()
			if err != nil {
				t.Fatal(err)
			}
			for j, f := range fired {
				if j > 0 && (fired[j-1].Row > f.Row || fired[j-1].Row == f.Row && fired[j-1].Rule >= f.Rule) {
					t.Fatalf("not in order: %v then %v", fired[j-1], f)
				}
				f.Row += cuts[k-1]
				if !want[f] {
					t.Fatalf("cuts %v: %q matched row %d and should not", cuts, prog.Rules()[f.Rule].When, f.Row)
				}
				found++
			}
		}
		if found != len(want) {
			t.Fatalf("cuts %v: %d matches, want %d", cuts, found, len(want))
		}
	}
}
