package decode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// seeds adds the inputs of the data-driven cases to a fuzz target.
func seeds(f *testing.F, add func(format int, line []byte)) {
	for format, name := range []string{"plain", "jetstream", "twitter", "twitter", "mastodon"} {
		b, err := os.ReadFile(filepath.Join("testdata", "cases", name))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			if bytes.HasPrefix(line, []byte("{")) {
				add(format, line)
			}
		}
	}
}

// FuzzDecode feeds any bytes to each format: rows in are rows out, all memory
// comes back, and every text is UTF-8.
func FuzzDecode(f *testing.F) {
	seeds(f, func(format int, line []byte) { f.Add(format, append(line, '\n')) })
	f.Add(4, []byte("{\"id\":\"1\",\"created_at\":1,\"content\":\"<a href=\\\"&\\\"><<p/>\"}\n\n \n[]"))
	var plans []pipeline.DecodePlan
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	for _, format := range []string{"plain", "jetstream", "twitter_v1", "twitter_v2", "mastodon"} {
		cfg := decode.Defaults()
		cfg.Format, cfg.MaxRecord = format, 4096
		cfg.Columns = map[string]decode.Column{"n": {Path: "a[1].n | n", Type: "int"}, "l": {Path: "a[*].(x|y)", Type: "strings"}}
		p, err := decode.NewPlan(cfg, mem)
		if err != nil {
			f.Fatal(err)
		}
		plans = append(plans, p)
	}
	f.Fuzz(func(t *testing.T, format int, data []byte) {
		defer mem.AssertSize(t, 0)
		want := 0
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			if len(bytes.Trim(line, " \t\r\n")) > 0 {
				want++
			}
		}
		got := 0
		c := pipeline.Chunk{Origin: "f", Data: data}
		err := plans[uint(format)%uint(len(plans))].New().Decode(t.Context(), &c, func(b pipeline.Batch) error {
			defer b.Record.Release()
			got += b.Rows()
			for i, col := range b.Record.Columns() {
				if s, ok := col.(*array.String); ok {
					for k := range s.Len() {
						if !utf8.ValidString(s.Value(k)) {
							t.Fatalf("%s: %q", b.Record.ColumnName(i), s.Value(k))
						}
					}
				}
			}
			return nil
		})
		if err != nil || got != want {
			t.Fatalf("%d rows of %d records, %v", got, want, err)
		}
	})
}

// FuzzAgainstStandard puts any bytes in the place of a value: a record is
// accepted when encoding/json accepts it and it is UTF-8, and its strings are
// the same.
func FuzzAgainstStandard(f *testing.F) {
	seeds(f, func(_ int, line []byte) { f.Add(line) })
	f.Add([]byte(`{"id":"x","text":"\ud800\u0041","author":{"handle":"\u00e9"},"urls":["a","\n"]}`))
	cfg := decode.Defaults()
	cfg.Format = "custom"
	cfg.Columns = map[string]decode.Column{
		"id": {Path: "i"}, "created_at": {Path: "t"}, "text": {Path: "doc.text"},
		"author_handle": {Path: "doc.author.handle"}, "urls": {Path: "doc.urls"},
	}
	plan, err := decode.NewPlan(cfg, memory.DefaultAllocator)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if bytes.ContainsAny(doc, "\n") || bytes.Count(doc, []byte("{"))+bytes.Count(doc, []byte("[")) > 100 {
			return // more than a record, or perhaps too deep
		}
		line := append(append([]byte(`{"i":1,"t":1700000000,"doc":`), doc...), '}')
		reason := ""
		var got []string
		c := pipeline.Chunk{Data: append(line, '\n')}
		err := plan.New().Decode(t.Context(), &c, func(b pipeline.Batch) error {
			defer b.Record.Release()
			if b.Stream == pipeline.Rejected {
				reason = b.Record.Column(3).(*array.String).Value(0)
				return nil
			}
			got = append(got, strings.Clone(b.Record.Column(7).(*array.String).Value(0)), strings.Clone(b.Record.Column(3).(*array.String).Value(0)))
			urls := b.Record.Column(13).(*array.List)
			got = append(got, strs(urls.ListValues().(*array.String))...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		valid := json.Valid(line) && utf8.Valid(line)
		if refused := strings.HasPrefix(reason, "invalid_"); refused == valid {
			t.Fatalf("%q: reason %q, but encoding/json says valid=%v", line, reason, valid)
		}
		if reason != "" {
			return
		}
		var record map[string]any
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber() // as floats, large numbers would be errors
		if err := dec.Decode(&record); err != nil {
			t.Fatal(err)
		}
		at, _ := record["doc"].(map[string]any)
		author, _ := at["author"].(map[string]any)
		text, _ := at["text"].(string)
		handle, _ := author["handle"].(string)
		want := []string{text, handle}
		urls, _ := at["urls"].([]any)
		for _, u := range urls {
			if u != nil {
				want = append(want, u.(string))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", line, got, want)
		}
	})
}
