package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/sluicehq/sluice/internal/text/fold/entry"
)

// joined maps characters that NFKC_Casefold keeps apart, though writers and
// keyboards use them for one another.
var joined = map[rune]rune{
	// Apostrophes.
	0x00B4: '\'', 0x2018: '\'', 0x2019: '\'', 0x201B: '\'', 0x02B9: '\'', 0x02BC: '\'', 0x02BB: '\'',
	// Arabic: alef wasla, alef maksura, Farsi yeh, keheh and swash kaf.
	0x0671: 0x0627, 0x0649: 0x064A, 0x06CC: 0x064A, 0x06A9: 0x0643, 0x06AA: 0x0643,
}

// unmarked lists the scripts whose combining marks are removed. The marks of
// all other scripts are vowel signs and the like, which carry the meaning.
var unmarked = map[string]bool{
	"Inherited": true, "Latin": true, "Greek": true, "Cyrillic": true,
	"Arabic": true, "Hebrew": true, "Syriac": true,
}

// dropped reports whether folding removes r, and whether it is a mark.
func (u *ucd) dropped(r rune) (drop, mark bool) {
	switch {
	case r == 0x3099 || r == 0x309A: // the kana voicing marks
		return false, false
	case r == 0x0640: // tatweel
		return true, true
	case u.ignorable[r] || u.bidi[r]:
		return true, false
	case u.category[r] == "Cc":
		return !(r >= '\t' && r <= '\r') && r != 0x85, false
	case u.category[r] == "Mn" || u.category[r] == "Me":
		return unmarked[u.script[r]], true
	}
	return false, false
}

// decompose appends the full compatibility decomposition of r, less what
// folding drops, case folded.
func (u *ucd) decompose(dst []rune, r rune) []rune {
	if j, ok := joined[r]; ok {
		r = j
	}
	if drop, _ := u.dropped(r); drop {
		return dst
	}
	if d, ok := u.decomp[r]; ok && (!isSyllable(r)) {
		for _, c := range d {
			dst = u.decompose(dst, c)
		}
		return dst
	}
	if f, ok := u.casefold[r]; ok {
		for _, c := range f {
			dst = u.decompose(dst, c)
		}
		return dst
	}
	return append(dst, r)
}

func isSyllable(r rune) bool { return r >= 0xAC00 && r < 0xD7A4 }

// pairs returns the canonical compositions whose parts both survive folding.
func (u *ucd) pairs() map[[2]rune]rune {
	out := map[[2]rune]rune{}
	for c, d := range u.decomp {
		if !u.canonical[c] || len(d) != 2 || u.excluded[c] {
			continue
		}
		if drop, _ := u.dropped(d[1]); !drop {
			out[[2]rune{d[0], d[1]}] = c
		}
	}
	return out
}

// compose applies the canonical composition algorithm (UAX #15, section 1.3) to
// s, which is decomposed and, as all of the UCD's mappings, in canonical order.
func compose(s []rune, pairs map[[2]rune]rune, ccc map[rune]uint8) []rune {
	var out []rune
	starter := -1
	for _, r := range s {
		last := len(out) - 1
		blocked := starter < 0 || last > starter && (ccc[out[last]] == 0 || ccc[out[last]] >= ccc[r])
		if !blocked {
			if c, ok := pairs[[2]rune{out[starter], r}]; ok {
				out[starter] = c
				continue
			}
		}
		if out = append(out, r); ccc[r] == 0 {
			starter = len(out) - 1
		}
	}
	return out
}

func writeFold(u *ucd, b *bytes.Buffer) {
	pairs := u.pairs()
	second := map[rune]bool{}
	for p := range pairs {
		second[p[1]] = true
	}
	sensitive := func(s []rune) bool {
		return slices.ContainsFunc(s, func(r rune) bool {
			return second[r] || u.ccc[r] != 0 || r >= 0x1161 && r <= 0x1175 || r >= 0x11A8 && r <= 0x11C2
		})
	}
	table := make([]uint32, entry.Limit)
	var long []string
	for r := range rune(entry.Limit) {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		parts := u.decompose(nil, r)
		folded := compose(parts, pairs, u.ccc)
		if len(parts) > 0 && second[parts[0]] {
			folded = parts // its first part may have to go to what stands before
		}
		s, context := string(folded), sensitive(folded)
		_, mark := u.dropped(r)
		switch {
		case s == string(r) && !context && r >= 0x800:
			// identity: entry 0
		case r == joiner || r == keycap:
			table[r] = entry.Sequence(mark)
		case s == "":
			table[r] = entry.Removed(mark)
		case (len(s) <= 2 || len(s) == 3 && r >= 0x800) && !context:
			table[r] = entry.Short(s)
		default:
			table[r] = entry.Long(len(long), context)
			long = append(long, s)
		}
	}
	header(b, "fold")
	writeArray(b, "low holds the entries of U+0000 to U+07FF: one and two bytes of UTF-8.", "low", "uint32", "%#x", table[:0x800])
	index, data := blocks(table)
	writeArray(b, "index maps a rune / 64 to a block of entries.", "index", "uint16", "%d", index)
	writeArray(b, "entries holds blocks of 64 entries; 0 is the identity.", "entries", "uint32", "%#x", data)
	fmt.Fprintf(b, "// long holds the folded forms that do not fit an entry.\nvar long = [%d]string{\n", len(long))
	for _, s := range long {
		fmt.Fprintf(b, "%+q,\n", s)
	}
	b.WriteString("}\n\n")
	writePairs(u, b, pairs)
	writePictographs(u, b, table)
}

// The characters that stay in the middle and at the end of emoji sequences.
const joiner, keycap = 0x200D, 0x20E3

// writePictographs writes the ranges of emoji that folding keeps as they are.
func writePictographs(u *ucd, b *bytes.Buffer, table []uint32) {
	b.WriteString("\n// pictographs holds the emoji that are their own folded form: first rune, last rune.\nvar pictographs = [...][2]rune{\n")
	for r := rune(0x2000); r < entry.Limit; r++ {
		first := r
		for u.emoji[r] && table[r] == 0 {
			r++
		}
		if r > first {
			fmt.Fprintf(b, "{%#x, %#x},\n", first, r-1)
		}
	}
	b.WriteString("}\n")
}

func writePairs(u *ucd, b *bytes.Buffer, pairs map[[2]rune]rune) {
	keys := slices.SortedFunc(maps.Keys(pairs), func(x, y [2]rune) int { return slices.Compare(x[:], y[:]) })
	fmt.Fprintf(b, "// pairs holds the canonical compositions first, second, composed, in order.\nvar pairs = [%d][3]rune{\n", len(keys))
	for _, k := range keys {
		fmt.Fprintf(b, "{%#x, %#x, %#x},\n", k[0], k[1], pairs[k])
	}
	b.WriteString("}\n\n")
	var kept []rune
	for _, r := range slices.Sorted(maps.Keys(u.ccc)) {
		if drop, _ := u.dropped(r); !drop {
			kept = append(kept, r)
		}
	}
	fmt.Fprintf(b, "// classes holds the combining classes other than 0 of runes that are kept:\n// first rune, last rune, class.\nvar classes = [...][3]rune{\n")
	for i := 0; i < len(kept); {
		j := i + 1
		for j < len(kept) && kept[j] == kept[j-1]+1 && u.ccc[kept[j]] == u.ccc[kept[i]] {
			j++
		}
		fmt.Fprintf(b, "{%#x, %#x, %d},\n", kept[i], kept[j-1], u.ccc[kept[i]])
		i = j
	}
	b.WriteString("}\n")
}
