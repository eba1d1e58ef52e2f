package match

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/text/pattern"
)

// TestGlobCandidates holds the wildcards that a word is held against, by its ends
// and its length, against all that match it.
func TestGlobCandidates(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	pick := func(of []string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(of[r.IntN(len(of))])
		}
		return b.String()
	}
	matches := 0
	for range 200 {
		var globs []globTerm
		for range 1 + r.IntN(60) {
			if g, err := pattern.NewGlob(pick([]string{"a", "b", "é", "漢", "?", "*"}, 1+r.IntN(5))); err == nil {
				globs = append(globs, globTerm{Glob: g, term: uint32(len(globs))})
			}
		}
		s := newGlobSearch(0, globs)
		for range 200 {
			w := []byte(pick([]string{"a", "b", "c", "é", "漢", "字"}, 1+r.IntN(6)))
			var want, got []uint16
			for k := range globs {
				if globs[k].Match(w) {
					want = append(want, uint16(k))
				}
			}
			for _, some := range s.candidates(w) {
				for _, k := range some {
					if n := int32(len(w)); n >= s.sizes[k].least && n <= s.sizes[k].most && globs[k].Match(w) {
						got = append(got, k)
					}
				}
			}
			slices.Sort(got)
			if matches += len(want); !slices.Equal(got, want) {
				t.Fatalf("%q: wildcards %v, want %v", w, got, want)
			}
		}
	}
	if matches == 0 {
		t.Error("no word matched: the test shows nothing")
	}
}
