package http

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/sluicehq/sluice/internal/jsonscan"
)

// FuzzCut cuts any body. An array that is taken is one that encoding/json reads,
// with the same elements; lines that are taken are the body's.
func FuzzCut(f *testing.F) {
	for _, s := range []string{
		`[{"a":1},2,"x"]`, " [ ] ", "[1,]", "[[[1]]]", "{\"a\":1}\n{\"b\":2}\n", "a\r\n\n b", "[1] 2", "[\"\\u00e9\",null,true]", "[1\n,\n2]", "\xef\xbb\xbf[1]",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, single bool) {
		data, n, err := cut(nil, body, single)
		if err != nil {
			return
		}
		recs := split(t, data)
		if len(recs) != n {
			t.Fatalf("%d records, said %d", len(recs), n)
		}
		at := jsonscan.Space(body, 0)
		if at == len(body) || body[at] != '[' {
			lines := bytes.Split(body, []byte("\n"))
			if single && n == 1 && bytes.Equal(recs[0], bytes.TrimRight(body[at:], " \t\r\n")) && json.Valid(recs[0]) {
				return
			}
			for _, l := range lines {
				if jsonscan.Space(l, 0) == len(l) {
					continue
				}
				if len(recs) == 0 || !bytes.Equal(recs[0], l) {
					t.Fatalf("line %q is not the next record", l)
				}
				recs = recs[1:]
			}
			if len(recs) > 0 {
				t.Fatalf("records that are no lines: %q", recs)
			}
			return
		}
		var want []json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("an array was taken that is none: %v", err)
		}
		if len(want) != n {
			t.Fatalf("%d records, want %d", n, len(want))
		}
		for i, r := range recs {
			if !bytes.Equal(r, want[i]) {
				t.Fatalf("record %d: %q, want %q", i, r, want[i])
			}
		}
	})
}

// split undoes spool.AppendRecord.
func split(t testing.TB, data []byte) (out [][]byte) {
	t.Helper()
	for len(data) > 0 {
		n, w := binary.Uvarint(data)
		if w <= 0 || n > uint64(len(data)-w) {
			t.Fatalf("the records do not fit: %q", data)
		}
		out, data = append(out, data[w:w+int(n)]), data[w+int(n):]
	}
	return out
}

func BenchmarkCut(b *testing.B) {
	post := []byte(`{"id":"1","created_at":"2026-01-01T00:00:00Z","author":{"id":"a","handle":"h"},"text":"the quick brown fox jumps over the lazy dog, and again the quick brown fox jumps over the lazy dog"}`)
	var lines, array []byte
	array = append(array, '[')
	for i := range 500 {
		if i > 0 {
			array = append(array, ',')
		}
		lines, array = append(append(lines, post...), '\n'), append(array, post...)
	}
	array = append(array, ']')
	for name, body := range map[string][]byte{"lines": lines, "array": array} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var n int
				var err error
				if dst, n, err = cut(dst[:0], body, false); n != 500 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
