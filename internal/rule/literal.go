package rule

import (
	"encoding/binary"
	"math"
	"math/bits"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// requiredLiterals returns literals of which one is in every text that the
// pattern matches, or nothing when none are known. If fold is set, they are in
// the text after its ASCII letters were made lower case. (Russ Cox, "Regular
// Expression Matching with a Trigram Index", 2012, has the idea; here only
// whole literals are taken.)
func requiredLiterals(pattern string) (lits []string, fold bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, false
	}
	r := required(re.Simplify())
	if r.fold {
		for i, l := range r.lits {
			b := []byte(l)
			lowerASCII(b)
			r.lits[i] = string(b)
		}
	}
	slices.Sort(r.lits)
	return slices.Compact(r.lits), r.fold
}

// anyOf is literals of which one is required; if fold is set, some of them in
// any case.
type anyOf struct {
	lits []string
	fold bool
}

func required(re *syntax.Regexp) anyOf {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return anyOf{[]string{longestASCII(re.Rune)}, true}
		}
		return anyOf{[]string{string(re.Rune)}, false}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best anyOf
		for _, s := range re.Sub {
			if r := required(s); shortest(r.lits) > shortest(best.lits) {
				best = r
			}
		}
		return best
	case syntax.OpAlternate:
		var all anyOf
		for _, s := range re.Sub {
			r := required(s)
			if len(r.lits) == 0 {
				return anyOf{}
			}
			all.lits = append(all.lits, r.lits...)
			all.fold = all.fold || r.fold
		}
		return all
	}
	return anyOf{}
}

// longestASCII returns the longest run of characters whose other cases are all
// ASCII: not k and s, which have the Kelvin sign and the long s.
func longestASCII(runes []rune) string {
	best, from := "", 0
	for i := 0; i <= len(runes); i++ {
		if i < len(runes) && foldsToASCII(runes[i]) {
			continue
		}
		if run := string(runes[from:i]); len(run) > len(best) {
			best = run
		}
		from = i + 1
	}
	return best
}

func foldsToASCII(r rune) bool {
	if r >= utf8.RuneSelf {
		return false
	}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if f >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// shortest returns the length of the shortest literal, 0 for none.
func shortest(lits []string) int {
	n := 0
	for i, l := range lits {
		if i == 0 || len(l) < n {
			n = len(l)
		}
	}
	return n
}

// literals finds many literals in a column of strings in one pass: each literal
// is filed under a window of four of its bytes, and a bitmap of hashed windows
// says at most places that nothing can begin there.
type literals struct {
	texts   []string
	atoms   []int32
	shift   uint
	bitmap  []uint64
	windows map[uint32][]placed
}

// placed is a literal whose window begins at byte at.
type placed struct {
	lit int32
	at  int32
}

func (l *literals) add(text string, atom int32) {
	l.texts = append(l.texts, text)
	l.atoms = append(l.atoms, atom)
}

// hashFactor is 2^32 divided by the golden ratio (Knuth's multiplicative hash).
const hashFactor = 0x9E3779B1

func hashWindow(w uint32, shift uint) uint32 { return w * hashFactor >> shift }

// build chooses a window of each literal: the one that fewest literals have,
// since what many have is common in text too.
func (l *literals) build() {
	size := max(12, min(20, bits.Len(uint(len(l.texts)*32))))
	l.shift = uint(32 - size)
	l.bitmap = make([]uint64, 1<<size/64)
	uses := map[uint32]int{}
	for _, t := range l.texts {
		for i := 0; i+4 <= len(t); i++ {
			uses[binary.LittleEndian.Uint32([]byte(t[i:i+4]))]++
		}
	}
	l.windows = map[uint32][]placed{}
	for n, t := range l.texts {
		best, at := math.MaxInt, 0
		for i := 0; i+4 <= len(t); i++ {
			u := 4 * uses[binary.LittleEndian.Uint32([]byte(t[i:i+4]))]
			if strings.Contains(t[i:i+4], " ") {
				u++
			}
			if u < best {
				best, at = u, i
			}
		}
		w := binary.LittleEndian.Uint32([]byte(t[at : at+4]))
		l.windows[w] = append(l.windows[w], placed{int32(n), int32(at)})
		h := hashWindow(w, l.shift)
		l.bitmap[h>>6] |= 1 << (h & 63)
	}
}

// find calls hit for each literal that s contains, perhaps several times.
func (l *literals) find(s []byte, hit func(atom int32)) {
	if len(s) < 4 {
		return
	}
	bitmap, shift := l.bitmap, l.shift
	w := binary.LittleEndian.Uint32(s) << 8
	for i, c := range s[3:] {
		w = w>>8 | uint32(c)<<24 // the window s[i:i+4]
		h := w * hashFactor >> (shift & 31)
		if bitmap[h>>6]>>(h&63)&1 != 0 {
			l.verify(s, i, w, hit)
		}
	}
}

// verify compares the literals whose window is w with the text around s[i:].
func (l *literals) verify(s []byte, i int, w uint32, hit func(atom int32)) {
	for _, p := range l.windows[w] {
		from, t := i-int(p.at), l.texts[p.lit]
		if from >= 0 && from+len(t) <= len(s) && string(s[from:from+len(t)]) == t {
			hit(l.atoms[p.lit])
		}
	}
}
