package file

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// shredder reads data in pieces of sizes that repeat.
type shredder struct {
	data  []byte
	sizes []byte
	turn  int
}

func (s *shredder) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := len(s.data)
	if len(s.sizes) > 0 {
		n = int(s.sizes[s.turn%len(s.sizes)])%64 + 1
		s.turn++
	}
	n = copy(b, s.data[:min(n, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

// FuzzCut cuts any bytes, read in any portions: the pieces follow each other,
// end with lines or at the limit, and miss nothing but the ends of long lines.
func FuzzCut(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), []byte{0, 3}, byte(10), false, int16(4))
	f.Add(append(bytes.Repeat([]byte("x"), 200), "\nshort\nlast\n"...), []byte{60}, byte(20), true, int16(-1))
	f.Add(bytes.Repeat([]byte("0123456789\n"), 40), []byte{}, byte(5), false, int16(33))
	f.Fuzz(func(t *testing.T, data, sizes []byte, longest byte, eager bool, limit int16) {
		c := cutter{pool: newPool(32), max: int(longest) + 1, eager: eager}
		defer c.close()
		in, at := &shredder{data: data, sizes: sizes}, int64(0)
		check := func(p piece, last bool) {
			if p.from != at || p.to <= at || p.to > int64(len(data)) || !bytes.HasPrefix(data[at:p.to], p.data) {
				t.Fatalf("piece %d..%d of %d bytes after %d", p.from, p.to, len(p.data), at)
			}
			whole := data[at:p.to]
			if len(p.data) < len(whole) {
				if n := bytes.IndexByte(whole, '\n'); len(p.data) != c.max+1 || n >= 0 && n != len(whole)-1 {
					t.Fatalf("%d of %d bytes, a line's end at %d", len(p.data), len(whole), n)
				}
			}
			if end := whole[len(whole)-1]; end != '\n' && !last && p.to != int64(limit) {
				t.Fatalf("piece ends with %q at %d", end, p.to)
			}
			if at < int64(limit) && p.to > int64(limit) && len(p.data) == len(whole) {
				t.Fatalf("piece %d..%d straddles %d", at, p.to, limit)
			}
			at = p.to
			c.pool.put(p.buf)
		}
		for {
			p, err := c.next(in, int64(limit))
			if errors.Is(err, errNoMore) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			check(p, false)
		}
		if p, ok := c.rest(); ok {
			check(p, true)
		}
		if at != int64(len(data)) {
			t.Fatalf("%d of %d bytes", at, len(data))
		}
	})
}
