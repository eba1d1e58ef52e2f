package disguise

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMasks compares the masks of this machine's implementation with those of
// plain Go.
func TestMasks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 1 + r.IntN(3)
		text := make([]byte, 64*n+2)
		few := byte(r.IntN(256)) | 1
		for i := range text {
			switch r.IntN(3) {
			case 0:
				text[i] = byte(r.IntN(256))
			case 1:
				text[i] = byte(r.IntN(128))
			default:
				text[i] = byte(r.IntN(256)) % few
			}
		}
		got, want := make([]masks, n), make([]masks, n)
		masksOf(text, n, got)
		masksGo(text, n, want)
		for k := range got {
			if got[k] != want[k] {
				t.Fatalf("block %d of %q:\n got %+v\nwant %+v", k, text, got[k], want[k])
			}
		}
	}
}

// TestASCII compares the scan of texts of ASCII with that of all texts.
func TestASCII(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const chars = "aaabcdeIo014 $@!#&_*/.:- "
	for range 30_000 {
		text := make([]byte, r.IntN(200))
		for i := range text {
			text[i] = chars[r.IntN(len(chars))]
		}
		var a, b scanner
		a.scan(text)
		b.scan(text)
		b.places, b.spaced = b.places[:0], b.spaced[:0]
		b.wide(text, b.masks[:(len(text)+63)/64])
		if !slices.Equal(a.places, b.places) || !slices.Equal(a.spaced, b.spaced) || a.latin != b.latin || a.cyr != b.cyr {
			t.Fatalf("%q: %v %v %d, by the other way %v %v %d", text, a.places, a.spaced, a.latin, b.places, b.spaced, b.latin)
		}
	}
}
