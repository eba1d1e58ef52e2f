package match

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// printed is a post of which only the hashes count.
type printed struct {
	text, sim uint64
	media     []string
}

// withHashes makes a batch as it leaves a fingerprint step.
func withHashes(t testing.TB, mem memory.Allocator, in []printed) arrow.Record {
	t.Helper()
	var rows []pipelinetest.Row
	exact, sim := column.NewFixed[uint64](mem), column.NewFixed[uint64](mem)
	for _, p := range in {
		rows = append(rows, pipelinetest.Row{"text": "some text", "media_hashes": p.media})
		exact.Append(p.text)
		sim.Append(p.sim)
	}
	rec := pipelinetest.Posts(t, mem, rows)
	defer rec.Release()
	u64 := arrow.PrimitiveTypes.Uint64
	schema, err := pipeline.AppendFields(rec.Schema(), arrow.Field{Name: pipeline.ColTextHash, Type: u64}, arrow.Field{Name: pipeline.ColSimHash, Type: u64})
	if err != nil {
		t.Fatal(err)
	}
	return column.Append(rec, schema, exact.NewArray(u64), sim.NewArray(u64))
}

// image returns a made-up PDQ hash with the bits of diff changed.
func image(diff ...int) string {
	raw := []byte(strings.Repeat("5a3c96f00f69c3a5", 4))
	for _, bit := range diff {
		const digits = "0123456789abcdef"
		raw[bit/4] = digits[strings.IndexByte(digits, raw[bit/4])^1<<(bit%4)]
	}
	return "pdq:" + string(raw)
}

// bitsOf returns n different bits of an image.
func bitsOf(n int) (out []int) {
	for i := range n {
		out = append(out, i*8)
	}
	return out
}

var (
	bankFiles = memFiles{
		"copies.csv": "hash,weight,note\n7001,2.5,a copy\n0x1b5a,1,the same as 7002\n7002,9,\n",
		"near.txt":   "# made up\n1000000\n!1000007\n",
		"near.csv":   "hash,negative,distance,weight\n0xff00ff00ff00ff00,,,3\n0xff00ff00ff00ff0f,true,1,\n0xff00ff00ff000000,no,0,\n",
		"images.yaml": fmt.Sprintf("- %s\n- {hash: \"%s\", negative: true, distance: 4}\n- {hash: \"MD5:00FF00ff00ff00ff00ff00ff00ff00ff\", weight: 4}\n- \"!sha1:00\"\n- sha1:00\n- sha1:01\n- {hash: \"sha1:01\", negative: true}\n",
			image(), image(bitsOf(20)...)),
	}
	bankLists = map[string]List{
		"copies": {Path: "copies.csv", On: pipeline.ColTextHash},
		"near":   {Path: "near.csv", On: pipeline.ColSimHash},
		"inline": {Terms: []string{"0xff00ff00ff00ff01"}, On: pipeline.ColSimHash, Distance: new(int)},
		"images": {Path: "images.yaml", On: pipeline.ColMediaHashes},
	}
)

// TestBank looks hashes up: exact ones, near ones, and what negative entries
// except.
func TestBank(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	near := func(diff uint64) uint64 { return 0xff00ff00ff00ff00 ^ diff }
	for _, c := range []struct {
		post printed
		want []string // list, term, disguise, weight
	}{
		{printed{}, nil},
		{printed{text: 7001}, []string{"copies 7001  2.5"}},
		{printed{text: 7002}, []string{"copies 0x1b5a  1"}},
		{printed{text: 7003}, nil},
		{printed{sim: near(0)}, []string{"near 0xff00ff00ff00ff00  3"}},
		{printed{sim: near(1 << 40)}, []string{"near 0xff00ff00ff00ff00 distance=1 3"}},
		{printed{sim: near(7 << 60)}, []string{"near 0xff00ff00ff00ff00 distance=3 3"}},
		{printed{sim: near(0xf << 60)}, nil},
		{printed{sim: near(0x0f)}, nil},
		{printed{sim: near(0x07)}, nil}, // within 1 of the negative entry
		{printed{sim: near(0x03)}, []string{"near 0xff00ff00ff00ff00 distance=2 3"}},
		{printed{sim: near(0x01)}, []string{"inline 0xff00ff00ff00ff01  1", "near 0xff00ff00ff00ff00 distance=1 3"}},
		{printed{sim: 0xff00ff00ff000000}, []string{"near 0xff00ff00ff000000  1"}},
		{printed{sim: 0xff00ff00ff000001}, nil}, // that entry's own distance is 0
		{printed{media: []string{image()}}, []string{"images " + image() + "  1"}},
		{printed{media: []string{strings.Replace(strings.ToUpper(image(9)), "PDQ", "pdq", 1)}}, []string{"images " + image() + " distance=1 1"}},
		{printed{media: []string{image(bitsOf(31)[20:]...), "other", image(255)}}, []string{"images " + image() + " distance=1 1", "images " + image() + " distance=11 1"}},
		{printed{media: []string{image(bitsOf(16)...)}}, nil}, // within 4 of the negative entry
		{printed{media: []string{image(bitsOf(15)...)}}, []string{"images " + image() + " distance=15 1"}},
		{printed{media: []string{image(bitsOf(31)...)}}, []string{"images " + image() + " distance=31 1"}},
		{printed{media: []string{image(bitsOf(32)...)}}, nil},
		{printed{media: []string{"md5:00ff00ff00ff00ff00ff00ff00ff00ff"}}, []string{"images MD5:00FF00ff00ff00ff00ff00ff00ff00ff  4"}},
		{printed{media: []string{"sha1:00", "sha1:01", "sha1:02", "", "pdq:", "pdq:" + strings.Repeat("x", 64), strings.Repeat("a", 1000)}}, nil},
	} {
		rec := withHashes(t, mem, []printed{{text: 1}, c.post})
		got := hitsOf(t, mem, bankLists, rec.NewSlice(1, 2))
		rec.Release()
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%#x: %q, want %q", c.post, got, c.want)
		}
	}
}

// hitsOf runs a step over a record, which it releases, and prints the hits.
func hitsOf(t testing.TB, mem memory.Allocator, lists map[string]List, rec arrow.Record) (out []string) {
	t.Helper()
	defer rec.Release()
	bc := pipeline.BuildContext{Mem: mem, Files: bankFiles, Logger: slog.New(slog.DiscardHandler)}
	p, err := Factory().PlanOperator(bc, &Config{Lists: lists}, rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	err = p.New().Process(context.Background(), pipeline.Batch{Record: rec}, func(b pipeline.Batch) error {
		defer b.Record.Release()
		at := func(name string) arrow.Array {
			_, child := column.ViewList(b.Record.Column(b.Record.Schema().FieldIndices(name)[0]))
			return child
		}
		lists, terms, disguises := at(pipeline.ColHitList), at(pipeline.ColHitTerm), at(pipeline.ColHitDisguise)
		weights := at(pipeline.ColHitWeight).(*array.Float32)
		per := map[string]int32{}
		for i := range lists.Len() {
			out = append(out, fmt.Sprintf("%s %s %s %g", lists.ValueStr(i), terms.ValueStr(i), disguises.ValueStr(i), weights.Value(i)))
			per[lists.ValueStr(i)]++
			if s, e := at(pipeline.ColHitStart).ValueStr(i), at(pipeline.ColHitEnd).ValueStr(i); s != "0" || e != "0" || at(pipeline.ColHitView).ValueStr(i) != "raw" {
				t.Errorf("hit at %s..%s, view %s", s, e, at(pipeline.ColHitView).ValueStr(i))
			}
		}
		for name := range bankLists {
			i := b.Record.Schema().FieldIndices(pipeline.ColMatchPrefix + name)[0]
			if n := b.Record.Column(i).(*array.Int32).Value(0); n != per[name] {
				t.Errorf("match.%s is %d, of %d hits", name, n, per[name])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBankHarness(t *testing.T) {
	pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
		Factory: Factory(), Config: &Config{Lists: bankLists}, Files: bankFiles,
		Input: func(t testing.TB, mem memory.Allocator) arrow.Record {
			return withHashes(t, mem, []printed{
				{text: 7001, sim: 0xff00ff00ff00ff01, media: []string{image(3), image(), "sha1:00"}},
				{},
				{text: 7002, media: []string{"md5:00ff00ff00ff00ff00ff00ff00ff00ff"}},
				{sim: 0xff00ff00ff00ff0f},
				{sim: 0xff00ff00ff00ff30, media: []string{image(bitsOf(18)...), image(bitsOf(32)...)}},
			})
		},
	})
}

// TestBankPlan checks what is known before any post: descriptions, versions and
// errors with their places.
func TestBankPlan(t *testing.T) {
	mem := memory.DefaultAllocator
	rec := withHashes(t, mem, nil)
	defer rec.Release()
	var logged strings.Builder
	compile := func(schema *arrow.Schema, l List) (pipeline.Plan, error) {
		bc := pipeline.BuildContext{Mem: mem, Files: bankFiles, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
		return Factory().PlanOperator(bc, &Config{Lists: map[string]List{"l": l}}, schema)
	}
	for path, want := range map[string]string{
		"copies.csv": "list l: 2 hashes and 0 negative ones on text_hash, within 0 bits, version VERSION (1 duplicates ignored)",
		"near.txt":   "list l: 1 hashes and 1 negative ones on simhash, within 3 bits, version VERSION",
	} {
		on := pipeline.ColTextHash
		if path == "near.txt" {
			on = pipeline.ColSimHash
		}
		p, err := compile(rec.Schema(), List{Path: path, On: on})
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(p); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		if i := p.Output().Metadata().FindKey(pipeline.MetaListPrefix + "l"); i < 0 || p.Output().Metadata().Values()[i] != "" {
			t.Errorf("%s: metadata %v", path, p.Output().Metadata())
		}
	}
	if !strings.Contains(logged.String(), "line=4") || !strings.Contains(logged.String(), "hash=7002") {
		t.Errorf("the duplicate is logged as %s", &logged)
	}
	six, minus, long := 6, -1, 32
	for _, c := range []struct {
		list        List
		field, want string
	}{
		{List{Terms: []string{"1", "x"}, On: "simhash"}, "lists.l.terms", `match: list "l" (terms:2): hash "x": not a 64-bit number; write it in decimal digits, or in hexadecimal ones behind "0x"`},
		{List{Terms: []string{"0"}, On: "text_hash"}, "lists.l.terms", `match: list "l" (terms:1): hash "0": 0 is the hash of all posts without words; delete the line`},
		{List{Terms: []string{"pdq:12"}, On: "media_hashes"}, "lists.l.terms", `match: list "l" (terms:1): hash "pdq:12": a PDQ hash has 64 hexadecimal digits, this one 2 characters`},
		{List{Terms: []string{image()[4:]}, On: "media_hashes"}, "lists.l.terms", `match: list "l" (terms:1): hash "` + image()[4:] + `": write the name of the hash before it, such as "pdq:" or "md5:"`},
		{List{Terms: []string{"md5:0"}, On: "media_hashes"}, "lists.l.terms", `match: list "l" (terms:1): hash "md5:0": not a whole number of bytes in hexadecimal digits`},
		{List{Path: "gone.csv", On: "simhash"}, "lists.l.path", `match: list "l" (gone.csv): open gone.csv: file does not exist`},
		{List{Path: "near.csv", On: "text_hash"}, "lists.l.path", `match: list "l" (near.csv:3): hash "0xff00ff00ff00ff0f": a distance of 1 bits; the most on text_hash is 0`},
		{List{Terms: []string{"1"}, On: "simhash", Distance: &minus}, "lists.l.distance", "-1 bits is out of range: use 0 to 7 on simhash"},
		{List{Terms: []string{"1"}, On: "media_hashes", Distance: &long}, "lists.l.distance", "32 bits is out of range: use 0 to 31 on media_hashes"},
		{List{Terms: []string{"1"}, On: "text_hash", Distance: &six}, "lists.l.distance", "text_hash is compared exactly: delete it, or set on to simhash"},
		{List{Terms: []string{"1"}, Distance: &six}, "lists.l.distance", "a distance is for hashes: delete it, or set on to simhash or media_hashes"},
		{List{Terms: []string{"1"}, On: "simhash", View: "raw"}, "lists.l.view", "hashes have no view: delete it"},
	} {
		_, err := compile(rec.Schema(), c.list)
		var fe *pipeline.FieldError
		if !errors.As(err, &fe) || fe.Path != c.field || fe.Err.Error() != c.want {
			t.Errorf("%+v: %v\nwant %s", c.list, err, c.want)
		}
	}
	_, err := compile(pipeline.PostsSchema(), List{Terms: []string{"1"}, On: "simhash"})
	if err == nil || !strings.Contains(err.Error(), "put a fingerprint step before it") {
		t.Errorf("no fingerprints: %v", err)
	}
	a, _ := compile(rec.Schema(), List{Terms: []string{"1", "2"}, On: "simhash"})
	b, _ := compile(rec.Schema(), List{Terms: []string{"1", "!2"}, On: "simhash"})
	if a.(*plan).lists[0].version == b.(*plan).lists[0].version {
		t.Error("a negative entry does not change the version")
	}
}

// FuzzMedia reads values of posts as hashes of media.
func FuzzMedia(f *testing.F) {
	f.Add(image())
	f.Add("pdq:" + strings.Repeat("Ag", 32))
	f.Add("MD5:00")
	f.Fuzz(func(t *testing.T, s string) {
		var got, same [4]uint64
		ok := parsePDQ(got[:], s)
		raw, err := hex.DecodeString(strings.TrimPrefix(s, "pdq:"))
		if want := strings.HasPrefix(s, "pdq:") && err == nil && len(raw) == 32; ok != want || parsePDQ(same[:], []byte(s)) != ok {
			t.Fatalf("%q: %v, want %v", s, ok, want)
		}
		if ok && (fmt.Sprintf("%016x%016x%016x%016x", got[0], got[1], got[2], got[3]) != hex.EncodeToString(raw) || same != got) {
			t.Fatalf("%q: %x", s, got)
		}
		if m, err := mediaHash(s); err == nil && (m != strings.ToLower(s) || !strings.Contains(m, ":")) {
			t.Fatalf("%q: %q", s, m)
		}
	})
}

// TestBankMillion loads a bank of a million images, and of as many texts.
func TestBankMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds; not with -short")
	}
	r := rand.New(rand.NewPCG(1, 2))
	var images, texts []byte
	images, texts = append(images, "hash,note\n"...), append(texts, "hash\n"...)
	for range 1_000_000 {
		images = fmt.Appendf(images, "pdq:%016x%016x%016x%016x,n\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
		texts = fmt.Appendf(texts, "%d\n", r.Uint64())
	}
	rec := withHashes(t, memory.DefaultAllocator, nil)
	defer rec.Release()
	for on, data := range map[string][]byte{pipeline.ColMediaHashes: images, pipeline.ColSimHash: texts} {
		bc := pipeline.BuildContext{Mem: memory.DefaultAllocator, Files: memFiles{"bank.csv": string(data)}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		p, err := Factory().PlanOperator(bc, &Config{Lists: map[string]List{"l": {Path: "bank.csv", On: on}}}, rec.Schema())
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		runtime.GC()
		runtime.ReadMemStats(&after)
		held := (after.HeapAlloc - before.HeapAlloc) >> 20
		t.Logf("1,000,000 entries on %s: %v, %d MiB", on, took.Round(time.Millisecond), held)
		if took > time.Minute || held > 400 {
			t.Errorf("%s: loads in %v and takes %d MiB", on, took, held)
		}
		runtime.KeepAlive(p)
	}
}
