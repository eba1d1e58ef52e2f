package disguise

import (
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
)

// look is what a word looks like.
type look struct {
	letters, digits int
	inside          bool // there are symbols
	masked          bool // there are masks
	turned          bool // there are turned letters
	plain           bool // nothing can be hidden in it
	script          script
	mixed           bool // there are letters of several scripts
	strict          bool // all letters are written as letters of another script
	doubled         bool // all letters are there twice in a row
	traits          traits
	kinds           kind.Set // of its characters
	most            uint32   // equal letters in a row
}

// survey looks at a word.
func survey(u []unit) (s look) {
	var all traits
	var kinds kind.Set
	most, least := uint32(0), uint32(2)
	for i := range u {
		c := &u[i]
		t, n := c.traits, c.count
		all |= t
		kinds |= c.kinds
		most, least = max(most, n), min(least, n)
		s.letters += int(n & -uint32((t/isLetter|t/isEnclosed)&1))
		s.digits += int(n & -uint32(t/isNumber&1))
	}
	s.traits, s.kinds, s.most = all, kinds, most
	s.inside, s.turned, s.strict = all&isBetween != 0, all&isTurned != 0, all&loose == 0
	s.script, s.mixed = scriptsOf(u, all)
	s.masked, s.doubled = all&isMasking != 0, most == 2 && least == 2
	s.plain = all&outstanding == 0 && most < 3 && kinds&kind.Entity == 0 && !s.mixed && !s.strict &&
		!(s.doubled && len(u) >= minLetters)
	return s
}

// scriptsOf returns the script of the first letter that is of one told apart, and
// whether there are letters of another one behind it. all is the traits of u.
func scriptsOf(u []unit, all traits) (first script, mixed bool) {
	if all &= ofScript; all&(all-1) == 0 {
		// Nearly always: all letters are of one script.
		return script(bits.Len16(uint16(all) >> 1)), false
	}
	for i := range u {
		if u[i].traits&isLetter == 0 {
			continue
		}
		if sc := scriptOf(u[i].folded); first == other {
			first = sc
		} else if sc != first {
			return first, true
		}
	}
	return first, false
}

// amount reports whether a word of digits and letters is a number with a unit,
// an ordinal, a version and the like.
func amount(u []unit, s *look) bool {
	if s.digits == 0 {
		return false
	}
	groups, digits := 0, 0
	for i := range u {
		if u[i].form != digit {
			continue
		}
		if i == 0 || u[i-1].form != digit {
			groups++
		}
		if digits++; u[i].count == 2 {
			digits++ // three and more may be one that is stretched
		}
	}
	if digits > s.letters+min(groups/3, 1) || digits == s.letters && u[0].form == digit && groups < 2 {
		return true
	}
	n := 0 // digits in front
	for n < len(u) && u[n].form == digit {
		n++
	}
	if n > 0 && n < len(u) && s.digits > 0 && units[suffix(u[n:])] {
		return true
	}
	// Digits at the end only: a number behind a word.
	end := len(u)
	for end > 0 && u[end-1].form == digit {
		end--
	}
	last := &u[len(u)-1]
	if end == len(u) || groups > 1 {
		return false
	}
	if len(u)-end == 1 && last.count == 2 {
		return s.letters < 2 || last.folded != '0' && last.folded != '3'
	}
	return len(u)-end > 1 || s.letters < 3 || !closing[last.folded&0x7f]
}

// closing holds the digits that, alone at the end of a word, may be a letter: they
// are not read as the s of the plural, nor as z.
var closing = [128]bool{'0': true, '1': true, '3': true, '4': true, '6': true, '7': true, '8': true, '9': true}

// suffix returns the letters of u as text, or "" where there are others.
func suffix(u []unit) string {
	var b [8]byte
	n := 0
	for i := range u {
		for range u[i].count {
			if u[i].folded >= utf8.RuneSelf || n == len(b) {
				return ""
			}
			b[n] = byte(u[i].folded)
			n++
		}
	}
	return string(b[:n])
}

// units are what stands behind numbers.
var units = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range []string{
		"st", "nd", "rd", "th", "am", "pm", "a", "p", "k", "m", "b", "g", "s", "h", "d", "x", "km", "kg", "cm", "mm", "ml", "mg", "kb", "mb", "gb", "tb",
		"hz", "khz", "mhz", "ghz", "hr", "hrs", "min", "mins", "sec", "secs", "ft", "in", "lb", "lbs", "oz", "yr", "yrs", "yo", "mph", "kmh", "bn", "mn",
		"mp", "px", "fps", "way", "day", "days", "gs", "ers", "ish", "pts", "pt", "er", "ss", "mil", "pc", "pcs", "ds",
	} {
		m[s] = true
	}
	return m
}()
