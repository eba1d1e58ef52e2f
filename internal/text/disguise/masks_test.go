package disguise

import (
	"math/rand/v2"
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
