package decode

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
)

// TestHintsChangeNothing decodes records whose layout changes from one to the
// next, and compares with what a decoder makes of each that has seen no other.
func TestHintsChangeNothing(t *testing.T) {
	compiled, err := NewPlan(Defaults(), memory.NewGoAllocator())
	if err != nil {
		t.Fatal(err)
	}
	const post = `{"id":"1","created_at":"2024-05-06T07:08:09Z","author":{"id":"7","followers":3},"text":"soup"`
	records := []string{
		post + `}`,
		post + `,"category":"x","lang":"FR"}`,
		post + `,"category": "x","lang" :"FR" , "kind":"reply"}`,
		post + `,"category":  5,"lang":null}`,
		post + `,"category":{"lang":"no"},"lang":"de"}`,
		post + `,"category":"x","langs":"FR"}`,
		post + `,"a_key_that_is_longer_than_what_a_hint_remembers":1,"lang":"it"}`,
		post + `,"a_key_of_twenty_bytes":1,"lang":"it"}`,
		post + `,"a_key_of_twenty_bytez":1,"lang":"it"}`,
		post + `,"author":{"handle":"ann"},"\u006cang":"es"}`,
		post + `,"lang":"es","lang":"pt"}`,
		post + `,"lang":"es","lang"}`,
		post + `,"lang":}`,
		post + `,"lang":"`,
		post + `,}`,
		post + `,"la`,
		`{ "id":"1","created_at":"2024-05-06T07:08:10Z"}`,
		`{"created_at":"2024-05-07T07:08:10Z","id":"2"}`,
		`{"id":"","created_at":"2024-05-06T07:08:09Z"}`,
		`{"id":"1","created_at":"2024-05-06T07:08:09Z"}x`,
		`{}`,
	}
	all := newDecoder(compiled.(*plan))
	for _, first := range records {
		for _, second := range records {
			decodeOne(t, all, first)
			got := decodeOne(t, all, second)
			want := decodeOne(t, newDecoder(compiled.(*plan)), second)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s\nafter %s (-alone +after):\n%s", second, first, d)
			}
		}
	}
}

func decodeOne(t *testing.T, d *decoder, record string) (out []string) {
	t.Helper()
	emit := func(b pipeline.Batch) error {
		defer b.Record.Release()
		js, err := b.Record.MarshalJSON()
		out = append(out, fmt.Sprint(b.Stream, " ", string(js)))
		return err
	}
	if err := d.Decode(t.Context(), &pipeline.Chunk{Origin: "test", Data: []byte(record + "\n")}, emit); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSameDay compares the fast path for times with package time, over all
// times of a day and all that differ from one in one byte.
func TestSameDay(t *testing.T) {
	p := timeParser{format: "auto"}
	midnight := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	if _, ok := p.sameDay([]byte("2024-02-29T00:00:00Z")); ok {
		t.Error("a time was read before any date was known")
	}
	if !p.setDate([]byte("2024-02-29")) {
		t.Fatal("the date was refused")
	}
	for sec := range 24 * 3600 {
		at := midnight.Add(time.Duration(sec) * time.Second)
		if ms, ok := p.sameDay([]byte(at.Format(time.RFC3339))); !ok || ms != at.UnixMilli() {
			t.Fatalf("%s: got %d, %v", at, ms, ok)
		}
	}
	const base = "2024-02-29T19:38:47Z"
	for i := range base {
		for c := range 256 {
			s := []byte(base)
			s[i] = byte(c)
			ms, ok := p.sameDay(s)
			want, err := time.Parse(time.RFC3339, string(s))
			if ok && (err != nil || ms != want.UnixMilli()) {
				t.Errorf("%q: got %d, want %v, %v", s, ms, want, err)
			}
			if !ok && err == nil && i > 10 {
				t.Errorf("%q was refused", s)
			}
		}
	}
}
