package match

import "github.com/sluicehq/sluice/internal/text/pattern"

// longText is from how many bytes on the places at which expressions may match
// are looked for together, for all expressions at once: in shorter texts few are
// run, each by itself.
const longText = 4 << 10

// beginnings is the strings that the matches of expressions begin with, where
// these are known.
type beginnings struct {
	set   *pattern.Substrings // nil for none
	regex []uint32            // by place in set: the place in regexes
}

func newBeginnings(regexes []regexTerm) (b beginnings) {
	var strings []string
	for k, r := range regexes {
		for _, s := range r.Beginnings() {
			strings, b.regex = append(strings, s), append(b.regex, uint32(k))
		}
	}
	if len(strings) > 0 {
		b.set = pattern.NewSubstrings(strings)
	}
	return b
}

// places is where the beginnings of each expression stand in one text: the
// scratch memory of one goroutine.
type places struct {
	scanner pattern.Scanner
	found   [][2]uint32 // expression and place, as they stand in the text
	first   []uint32    // by expression: sorted[first[k]:first[k+1]] are its places
	sorted  []uint32
	ok      bool
}

// read fills p for a text, unless there are more than four for each byte.
func (p *places) read(b *beginnings, regexes int, text []byte) {
	p.found, p.ok = p.found[:0], true
	p.scanner.Find(b.set, text, []int32{0, int32(len(text))}, func(_ int, start, _, id uint32) bool {
		p.found = append(p.found, [2]uint32{b.regex[id], start})
		p.ok = len(p.found) <= 4*len(text)
		return p.ok
	})
	if !p.ok {
		return
	}
	if p.first = append(p.first[:0], make([]uint32, regexes+2)...); cap(p.sorted) < len(p.found) {
		p.sorted = make([]uint32, len(p.found))
	}
	p.sorted = p.sorted[:len(p.found)]
	for _, f := range p.found {
		p.first[f[0]+2]++
	}
	for k := range regexes {
		p.first[k+2] += p.first[k+1]
	}
	for _, f := range p.found { // first[k+1] runs from where k begins to where it ends
		p.sorted[p.first[f[0]+1]] = f[1]
		p.first[f[0]+1]++
	}
}

// of returns the places of expression k, in order.
func (p *places) of(k uint32) []uint32 { return p.sorted[p.first[k]:p.first[k+1]] }
