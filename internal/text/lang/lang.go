// Package lang finds the language of a post.
//
// The script decides first. Where one language has a script nearly to itself
// (Hangul, Thai, Greek, ...), that is all. Otherwise each word's windows of four
// letters have a cost for each language of the script (see package profile), the
// least sum wins, and what it leads by gives the confidence. This is naive Bayes
// over a letter model of fourth order, as in Dunning, "Statistical
// Identification of Language" (1994), with a hashed table.
//
// The text as it was written is read, not the folded view: folding removes the
// marks that tell languages apart. It is read up to MaxBytes bytes and MaxWindows
// windows, so the time does not grow with long texts. URLs, domains, mentions,
// hashtags and HTML entities are left out.
package lang

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
	"github.com/sluicehq/sluice/internal/text/lang/script"
)

// What is read of a text.
const (
	MaxBytes   = 1024
	MaxWindows = 64 // letters and ends of words: 10 to 14 words
)

//go:generate go run ./genprofiles

//go:embed profiles.bin
var file []byte

const (
	maxWidth = 5 // words of a row
	maxLanes = maxWidth * profile.Lanes
	maxMarks = 32 // that are counted
)

// tables are the profiles as the kernel reads them. They do not change.
type tables struct {
	chars  *[profile.Chars + 1]profile.Char
	groups [4]group
}

type group struct {
	languages []string
	bits      uint8
	look      *look
	prior     sums
	// By the row's width one of:
	rows5, marks5 [][5]uint64
	rows2, marks2 [][2]uint64
	rows1, marks1 [][1]uint64
}

// sums holds a number of 16 bits for each lane, four to a word: lane l of word
// l/8 of a row is in sums[l/8*2+l%2], bits l%8/2*16 and up.
type sums [2 * maxWidth]uint64

func (s *sums) lane(l int) int {
	return int(s[l/profile.Lanes*2+l%2] >> (l % profile.Lanes / 2 * 16) & 0xffff)
}

func (s *sums) add(l, cost int) {
	s[l/profile.Lanes*2+l%2] += uint64(cost) << (l % profile.Lanes / 2 * 16)
}

// load reads the profiles once for the process.
var load = sync.OnceValues(func() (*tables, error) {
	set, err := profile.Parse(file)
	if err != nil {
		return nil, err
	}
	return makeTables(set)
})

func makeTables(set *profile.Set) (*tables, error) {
	t := &tables{chars: &set.Chars}
	if len(set.Groups) != len(t.groups) {
		return nil, fmt.Errorf("language profiles: %d groups of languages, want %d", len(set.Groups), len(t.groups))
	}
	for i := range set.Groups {
		from, g := &set.Groups[i], &t.groups[i]
		g.languages, g.bits, g.look = from.Languages, from.Bits, makeLook(t.chars, i)
		for l, p := range from.Prior {
			g.prior.add(l, int(p))
		}
		switch from.Width() {
		case 5:
			g.rows5, g.marks5 = rows[[5]uint64](from.Rows), rows[[5]uint64](from.Marks)
		case 2:
			g.rows2, g.marks2 = rows[[2]uint64](from.Rows), rows[[2]uint64](from.Marks)
		case 1:
			g.rows1, g.marks1 = rows[[1]uint64](from.Rows), rows[[1]uint64](from.Marks)
		default:
			return nil, fmt.Errorf("language profiles: rows of %d words: the kernel knows 1, 2 and 5", from.Width())
		}
	}
	return t, nil
}

// rows cuts words into rows.
func rows[R [5]uint64 | [2]uint64 | [1]uint64](words []uint64) []R {
	var r R
	out := make([]R, len(words)/len(r))
	for i := range out {
		for j := range len(r) {
			out[i][j] = words[i*len(r)+j]
		}
	}
	return out
}

// Detector finds languages. It does not change and may be shared.
type Detector struct {
	*tables
	barred  [4]sums // costs before anything is read: priors, and of what is not wanted
	decided [script.Count]string
}

// New returns a detector of the given languages, by the codes that Languages
// returns; none means all of them.
func New(languages []string) (*Detector, error) {
	t, err := load()
	if err != nil {
		return nil, err
	}
	d := &Detector{tables: t, decided: script.Languages}
	known := Languages()
	for _, l := range languages {
		if !slices.Contains(known, l) {
			return nil, fmt.Errorf("language %q is not known: those that are: %s", l, known)
		}
	}
	wanted := func(l string) bool { return len(languages) == 0 || slices.Contains(languages, l) }
	for i := range t.groups {
		g := &t.groups[i]
		d.barred[i] = g.prior
		for l := range maxLanes {
			if l > len(g.languages) || l < len(g.languages) && !wanted(g.languages[l]) {
				d.barred[i].add(l, 0x4000)
			}
		}
	}
	for s, l := range d.decided {
		if !wanted(l) {
			d.decided[s] = ""
		}
	}
	return d, nil
}

// Languages returns the codes of all languages that are found, sorted: ISO 639-1
// where there is one, else 639-3.
func Languages() []string {
	t, err := load()
	if err != nil {
		return nil
	}
	out := []string{"zh"}
	for i := range t.groups {
		out = append(out, t.groups[i].languages...)
	}
	for _, l := range script.Languages {
		if l != "" {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Detect returns the language that text is in, and how sure that is, from 0 to
// 1: of the posts of one confidence, about that share is right. It is "" and 0
// where the text has no letters, or fits no language better than chance. The
// language is given however low the confidence is: below 0.5 it is a guess.
//
// folded is the folded view (see package fold) of text, or empty. It is read
// where text has no letter that is known, as when it is written in letters that
// are made for something else (𝐛𝐨𝐥𝐝, ｗｉｄｅ).
//
// Other bytes than valid UTF-8 give an unspecified result.
func (d *Detector) Detect(text, folded []byte) (string, float32) {
	language, sure := d.detect(text)
	if sure == 0 && language == "" && len(folded) > 0 {
		return d.detect(folded)
	}
	return language, sure
}

func (d *Detector) detect(text []byte) (string, float32) {
	if len(text) > MaxBytes {
		text = text[:MaxBytes]
	}
	// Fast path: most texts are of one script, and most of these are Latin.
	var f features
	at := d.scan(&f, text, 0, true)
	if f.foreign == 0 {
		return d.score(&f, 0)
	}
	r, _ := decode(text, at)
	s := scriptOf(r)
	if s == script.None || s >= script.Han {
		return d.exact(text)
	}
	d.scan(&f, text, int(s-script.Latin), false)
	if f.foreign > f.n {
		return d.exact(text)
	}
	return d.score(&f, int(s-script.Latin))
}

// exact is detect for texts whose letters must be counted by script.
func (d *Detector) exact(text []byte) (string, float32) {
	s, share, letters := ofText(text)
	if s == script.None {
		return "", 0
	}
	if s >= script.Han {
		if d.decided[s] == "" {
			return "", 0
		}
		return d.decided[s], share * float32(letters) / float32(letters+1)
	}
	var f features
	d.scan(&f, text, int(s-script.Latin), false)
	return d.score(&f, int(s-script.Latin))
}

// score returns the language of the least cost.
func (d *Detector) score(f *features, n int) (string, float32) {
	if f.n == 0 {
		return "", 0
	}
	g := &d.groups[n]
	var first, total sums
	g.sum(&first, f.windows[:f.n/2], nil)
	total = first
	g.sum(&total, f.windows[f.n/2:f.n], f.marks[:f.m])
	for i := range total {
		total[i] += d.barred[n][i]
	}
	none := len(g.languages)
	best, second := total.best(2 * ((none + profile.Lanes) / profile.Lanes))
	if best >= none {
		return "", 0
	}
	low := total.lane(best)
	half := first.lane(second) - first.lane(best)
	gap := total.lane(second) - low
	return g.languages[best], confidence(gap, min(half, gap-half), total.lane(none)-low, f)
}

// best returns the lanes of the least and of the second least sum, of the first
// words; the lower lane where two are equal.
func (s *sums) best(words int) (best, second int) {
	// Two chains, which the processor runs beside each other.
	a, b := uint64(math.MaxUint64), uint64(math.MaxUint64)
	c, d := a, b
	for i := uint64(0); int(i)+1 < words; i += 2 {
		v, w := s[i], s[i+1]
		lane := i / 2 * profile.Lanes
		for range 4 {
			x, y := v&0xffff<<8|lane, w&0xffff<<8|lane+1
			b, a = min(b, max(a, x)), min(a, x)
			d, c = min(d, max(c, y)), min(c, y)
			v, w = v>>16, w>>16
			lane += 2
		}
	}
	return int(min(a, c) & 0xff), int(min(max(a, c), b, d) & 0xff)
}

// confidence is how sure a language is. It leads the second by gap, on that half
// of the text where it leads by less by half, and no language by none.
//
// What is taken off the gap, and the curve, are fitted to the labelled posts of
// the accuracy test, over all lengths: of two texts of one gap, the longer is not
// the surer one.
func confidence(gap, half, none int, f *features) float32 {
	gap += 2 * min(0, half+10)    // two languages in one text: a half is for the second
	gap += min(0, 15*none/f.n-33) // hardly a text of the language
	gap -= 6 * f.digits           // digits in place of letters: Arabizi
	return sure[min(max(gap+negative, 0), len(sure)-1)]
}

const (
	negative = 32
	surest   = 0.999 // 1 is for what is known otherwise
)

// sure holds the confidence for a gap, from -negative on: a logistic function,
// and below 0 a line.
var sure = func() (t [negative + 64]float32) {
	at := func(gap float64) float64 { return 1 / (1 + math.Exp(0.15-0.24*gap)) }
	for i := range t {
		gap := float64(i - negative)
		t[i] = float32(min(at(max(gap, 0))*(1+min(gap, 0)/40), surest))
	}
	return t
}()
