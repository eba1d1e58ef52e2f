package disguise

import (
	"math/bits"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// verify aligns a word's letters with units, all of them. Each run of a letter
// takes units that may stand for it: as many characters as the run is long; or
// three and more, if that is not less ("repeated"); or twice as many, if that
// is so for all runs. Symbols may be passed over. It returns the kinds of
// disguise that this takes.
//
// It is a search over the places that the runs before may end at, which are
// bits of a word, so its time is bounded by the runs, times the units, times
// the units that one run takes.
func (a *aligner) verify(u []unit, word []rune) (kind.Set, bool) {
	if len(u) > maxRuns || !u[0].mayBegin(word[0]) || !u[len(u)-1].mayBegin(word[len(word)-1]) {
		return 0, false
	}
	if k, ok := a.align(u, word, false); ok {
		return k, true
	}
	count := 0
	for i := range u {
		count += int(u[i].count)
	}
	if count < 2*len(word) {
		return 0, false
	}
	k, ok := a.align(u, word, true)
	return k | kind.Repeated, ok
}

// mayBegin reports whether the unit, the first or the last one, may be the first or
// the last letter of a word, or what stands before or behind it.
func (u *unit) mayBegin(x rune) bool {
	_, ok := u.stands(x)
	return ok || u.passable()
}

// aligner is the scratch memory of verify.
type aligner struct {
	reach [maxRuns + 1]uint64 // by run: the units that it may begin at
}

func (a *aligner) align(u []unit, word []rune, doubled bool) (kind.Set, bool) {
	reach := &a.reach
	reach[0] = pass(u, 1)
	runs := 0
	for i := 0; i < len(word); runs++ {
		n := runLength(word, i)
		next := uint64(0)
		for from := reach[runs]; from != 0; from &= from - 1 {
			next |= ends(u, bits.TrailingZeros64(from), word[i], n, doubled)
		}
		if reach[runs+1] = pass(u, next); next == 0 {
			return 0, false
		}
		i += n
	}
	if reach[runs]>>len(u)&1 == 0 {
		return 0, false
	}
	return trace(u, word, reach, runs, doubled), true
}

func runLength(word []rune, i int) int {
	n := 1
	for i+n < len(word) && word[i+n] == word[i] {
		n++
	}
	return n
}

// pass adds to at the places behind units that may be passed over.
func pass(u []unit, at uint64) uint64 {
	for rest := at; rest != 0; {
		p := bits.TrailingZeros64(rest)
		rest &= rest - 1
		if p < len(u) && u[p].passable() {
			at |= 2 << p
			rest |= 2 << p
		}
	}
	return at
}

// passable reports whether the unit may be something put between letters.
func (u *unit) passable() bool { return u.form >= symbol && u.form <= hard && u.count <= 2 }

// ends returns the places at which a run of n letters x may end that begins at
// unit p.
func ends(u []unit, p int, x rune, n int, doubled bool) (out uint64) {
	count := 0
	for ; p < len(u); p++ {
		if _, ok := u[p].stands(x); !ok {
			if count == 0 || !u[p].passable() {
				break
			}
			continue
		}
		count += int(u[p].count)
		if fits(count, n, doubled) {
			out |= 2 << p
		}
	}
	return out
}

func fits(count, n int, doubled bool) bool {
	if doubled {
		return count == 2*n
	}
	return count == n || count >= 3 && count >= n
}

// trace goes back over an alignment that was found and gathers its kinds.
func trace(u []unit, word []rune, reach *[maxRuns + 1]uint64, runs int, doubled bool) (kinds kind.Set) {
	at, end := len(u), len(word)
	for run := runs - 1; run >= 0; run-- {
		start := end - 1
		for start > 0 && word[start-1] == word[end-1] {
			start--
		}
		n := end - start
		// What was passed over behind the run.
		for reached(u, reach[run], at, word[start], n, doubled) < 0 {
			at--
			kinds |= passedKind(&u[at])
		}
		p := reached(u, reach[run], at, word[start], n, doubled)
		count := 0
		for i := p; i < at; i++ {
			k, ok := u[i].stands(word[start])
			if !ok {
				k = passedKind(&u[i])
			} else {
				count += int(u[i].count)
			}
			kinds |= k
		}
		if count != n {
			kinds |= kind.Repeated
		}
		at, end = p, start
	}
	for ; at > 0; at-- {
		kinds |= passedKind(&u[at-1])
	}
	return kinds
}

func passedKind(u *unit) kind.Set {
	if u.form == quote {
		return 0
	}
	return kind.Spaced
}

// reached returns the last place of from at which a run may begin that ends at
// unit at, or -1.
func reached(u []unit, from uint64, at int, x rune, n int, doubled bool) int {
	count := 0
	for p := at - 1; p >= 0; p-- {
		if _, ok := u[p].stands(x); ok {
			count += int(u[p].count)
			if from>>p&1 == 1 && fits(count, n, doubled) {
				return p
			}
		} else if count == 0 || !u[p].passable() {
			break
		}
	}
	return -1
}

// verifyMasked aligns a word of which some letters are masked, one by one: at
// most half of them, and not the first.
func verifyMasked(u []unit, word []rune) (kinds kind.Set, ok bool) {
	i, masked := 0, 0
	for j := range u {
		c := &u[j]
		n := int(c.count)
		if i+n > len(word) {
			return 0, false
		}
		if c.form == mask {
			masked += n
			i += n
			continue
		}
		for _, x := range word[i : i+n] {
			k, stands := c.stands(x)
			if !stands {
				return 0, false
			}
			kinds |= k
		}
		i += n
	}
	return kinds | kind.Masked, i == len(word) && masked > 0 && 2*masked <= len(word)
}
