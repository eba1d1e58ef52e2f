// Package kind names the kinds of disguise. It is apart from package disguise
// so that the generator of its tables can use it.
package kind

import "strings"

// Set is a set of kinds, one bit each.
type Set uint16

// The kinds, in the order in which they are named.
const (
	Leet       Set = 1 << iota // digits and symbols for letters: z0rvath
	Homoglyph                  // letters of another script or shape: zоrvath with a Cyrillic o
	SmallCaps                  // letters in the shape of small capitals
	UpsideDown                 // turned letters
	Enclosed                   // letters in circles and squares, regional indicators
	Width                      // full-width, mathematical and other compatibility forms
	Invisible                  // characters that are not seen
	Combining                  // marks over, under and through letters
	Entity                     // HTML entities: z&#111;rvath
	Reversed                   // written backwards behind a right-to-left override
	Spaced                     // letters spaced, dotted or dashed apart
	Repeated                   // zooorvath, zzoorrvvaatthh
	Masked                     // z*rvath
	kinds      = iota
)

var names = [kinds]string{
	"leet", "homoglyph", "small_caps", "upside_down", "enclosed", "width", "invisible", "combining",
	"entity", "reversed", "spaced", "repeated", "masked",
}

// Squeezing holds the kinds that only the squeezed view undoes.
const Squeezing = Leet | Spaced | Repeated | Masked

// Trivial holds the kinds that the folded view undoes.
const Trivial = Width | Invisible | Combining

// String joins the names of the kinds by '+', in their order: "" for none.
func (s Set) String() string { return table[s&(1<<kinds-1)] }

// table holds the names of all sets, so that naming one allocates nothing.
var table = func() (t [1 << kinds]string) {
	for s := range t {
		var on []string
		for i, name := range names {
			if s>>i&1 == 1 {
				on = append(on, name)
			}
		}
		t[s] = strings.Join(on, "+")
	}
	return t
}()
