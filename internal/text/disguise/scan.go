package disguise

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// The scan looks for places that a disguise may be at, by masks of 64 bits a
// block of 64 bytes. Most posts have no such place, and nothing else is done with
// them.

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080
)

// block is what the scan knows of 64 bytes, one bit a byte.
type block struct {
	word  uint64 // of letters and digits, marks and invisible characters
	more  uint64 // continuation bytes of UTF-8, and marks
	digit uint64
	latin uint64 // letters of the Latin script
	cyr   uint64 // letters of the Cyrillic script
	alike uint64 // letters of other scripts that have look-alikes
	pair  uint64 // letters of ASCII that are followed by the same one
	pair2 uint64 // letters of Cyrillic that are, the first bytes
	odd   uint64 // characters that are mostly used as disguises
	url   uint64 // bytes of URLs

	spill spill
}

// spill is what the last character of a block leaves to the next.
type spill struct{ word, latin, cyr, alike uint64 }

// place is a block with suspicious bytes.
type place struct {
	at   int
	bits uint64
}

// scanner finds the suspicious places of one text.
type scanner struct {
	places      []place
	spaced      []int // where three letters in a row stand alone: the first one
	latin, cyr  int   // bytes of letters, but for those of URLs
	latinBlocks []uint64
	cyrBlocks   []uint64
	masks       []masks
	blocks      [2]block     // this one and the one before
	last        [64 + 2]byte // the text's last bytes, and blanks behind them
}

var blanks = [64 + 2]byte([]byte(strings.Repeat(" ", 64+2)))

// scan fills s and reports whether there is any suspicious place.
func (s *scanner) scan(text []byte) bool {
	s.places, s.spaced = s.places[:0], s.spaced[:0]
	n := (len(text) + 63) / 64
	if cap(s.masks) < n {
		s.masks = make([]masks, n)
		s.latinBlocks, s.cyrBlocks = make([]uint64, n), make([]uint64, n)
	}
	s.latinBlocks, s.cyrBlocks = s.latinBlocks[:n], s.cyrBlocks[:n]
	m := s.masks[:n]
	s.fill(text, m)
	high := uint64(0)
	for k := range m {
		high |= m[k].high
	}
	if high == 0 {
		s.ascii(text, m)
	} else {
		s.wide(text, m)
	}
	return len(s.places)+len(s.spaced) > 0
}

// wide is scan for texts with characters beyond ASCII.
func (s *scanner) wide(text []byte, m []masks) {
	latin, cyr := 0, 0
	b, prev := &s.blocks[0], &s.blocks[1]
	*prev = block{}
	var alone streak
	inURL := false
	for k := range m {
		base := 64 * k
		*b = block{}
		b.load(&m[k], prev, text, base)
		if m[k].mayBeURL(text, base, inURL) {
			b.url, inURL = m[k].urls(text, base, inURL)
			b.latin &^= b.url
		}
		if found := b.suspicious(prev, &m[k], masksBefore(m, k), text, base); found != 0 {
			s.places = append(s.places, place{base, found})
		}
		s.alone(&alone, b.word, b.more, prev.word>>63, text, base)
		latin += bits.OnesCount64(b.latin)
		cyr += bits.OnesCount64(b.cyr)
		s.latinBlocks[k], s.cyrBlocks[k] = b.latin, b.cyr
		b, prev = prev, b
	}
	s.latin, s.cyr = latin, cyr
	if latin > 0 && cyr > 0 {
		s.strangers(text)
	}
}

// ascii is scan for texts of ASCII, which most are: what wide does, without what
// they cannot have.
func (s *scanner) ascii(text []byte, m []masks) {
	var letters, digits, pairs uint64 // of the block before
	before := &noMasks
	var alone streak
	inURL, latin := false, 0
	for k := range m {
		base, m := 64*k, &m[k]
		word := m.letter | m.digit
		left, right := word<<1|(letters|digits)>>63, word>>1
		out := m.digit & (m.letter<<1 | letters>>63 | m.letter>>1)
		out |= 1 & m.letter & (digits >> 63)
		out |= m.same & (m.same<<1 | pairs>>63 | (m.same<<2|pairs>>62)&(m.same<<4|pairs>>60))
		out |= m.symbols(before, word, left, right, (letters|digits)>>62, text, base)
		var url uint64
		if m.mayBeURL(text, base, inURL) {
			url, inURL = m.urls(text, base, inURL)
		}
		if out &^= url; out != 0 {
			if out &^= m.mentions(before, word, left, (letters|digits)>>62); out != 0 {
				s.places = append(s.places, place{base, out})
			}
		}
		s.alone(&alone, word, 0, (letters|digits)>>63, text, base)
		latin += bits.OnesCount64(m.letter &^ url)
		letters, digits, pairs, before = m.letter, m.digit, m.same, m
	}
	s.latin, s.cyr = latin, 0
}

// symbols returns the symbols that are suspicious where they stand: beside
// characters of words. The last two of the block before are given by their bits.
// What stands beside the block's last byte is looked at from the next block.
func (m *masks) symbols(before *masks, word, left, right, last2 uint64, text []byte, base int) (out uint64) {
	out |= m.under&(left|right) | 1&word&(before.under>>63)
	out |= m.bang&right | 1&word&(before.bang>>63)
	out |= m.at & left
	out |= m.hash & (left&right | m.symbol<<1 | before.symbol>>63)
	out |= 1 & word & (before.hash >> 63) & last2
	for rest := m.symbol & (left | right | 1<<63); rest != 0; rest &= rest - 1 {
		bit := bits.TrailingZeros64(rest)
		if i := base + bit; symbolAt(text, i, besides[text[i]]) {
			out |= 1 << bit
		}
	}
	return out
}

// mentions returns the names of mentions.
func (m *masks) mentions(before *masks, word, left, last2 uint64) uint64 {
	run := word | m.under
	starts := m.at&^left<<1 | before.at>>63&^last2
	return run ^ (run + starts&run)
}

// fill sets m, one element for each block of text. The text is mostly one of a
// column, with others behind it: then the last block is read beyond the text's
// end, and what is there is dropped.
func (s *scanner) fill(text []byte, m []masks) {
	if n := len(m); n > 0 && cap(text) >= 64*n+2 {
		// Fast path: one call.
		masksOf(text[:64*n+2], n, m)
		m[n-1].clip(^uint64(0) >> (64*n - len(text)))
		return
	}
	whole := max(len(text)-2, 0) / 64 // blocks with two bytes behind them
	masksOf(text, whole, m)
	for k := whole; k < len(m); k++ {
		s.last = blanks
		copy(s.last[:], text[64*k:])
		masksOf(s.last[:], 1, m[k:])
	}
}

// masksBefore returns the masks of the block before block k.
func masksBefore(m []masks, k int) *masks {
	if k == 0 {
		return &noMasks
	}
	return &m[k-1]
}

var noMasks masks

// load fills b.
func (b *block) load(m *masks, prev *block, text []byte, base int) {
	b.word = m.letter | m.digit
	b.latin, b.digit, b.pair = m.letter, m.digit, m.same
	if m.high == 0 {
		return // most blocks are ASCII
	}
	b.more = m.more
	b.cyr = m.cyr | m.cyr<<1 | prev.spill.cyr
	b.word |= b.cyr | prev.spill.word
	b.latin |= prev.spill.latin
	b.alike |= prev.spill.alike
	b.spill.cyr = m.cyr >> 63
	b.pair2 = m.cyr & m.same2 & (m.same2 >> 1)
	if i := base + 63; m.cyr>>63 == 1 && i+3 < len(text) && text[i] == text[i+2] && text[i+1] == text[i+3] {
		b.pair2 |= 1 << 63
	}
	if others := m.high &^ (m.more | m.cyr); others != 0 {
		b.chars(text, base, others)
	}
}

// urls returns the bytes of URLs, from their scheme to the next blank, and
// whether one goes on behind the block. inURL is that of the block before.
func (m *masks) urls(text []byte, base int, inURL bool) (url uint64, on bool) {
	starts := m.slash & (m.slash << 1)
	if m.slash&1 == 1 && base > 0 && text[base-1] == '/' || inURL {
		starts |= 1
	}
	for starts != 0 {
		from := bits.TrailingZeros64(starts)
		end := 64
		if rest := m.blank >> from; rest != 0 {
			end = from + bits.TrailingZeros64(rest)
		}
		scheme := max(from-2, 0)
		for scheme > 0 && m.letter>>(scheme-1)&1 == 1 {
			scheme--
		}
		url |= (^uint64(0) << scheme) &^ (^uint64(0) << end) // end may be 64: nothing is shifted out
		if end == 64 {
			return url, true
		}
		starts &= ^uint64(0) << max(end, from+1)
	}
	return url, false
}

// mayBeURL reports whether urls has something to do.
func (m *masks) mayBeURL(text []byte, base int, inURL bool) bool {
	return inURL || m.slash&(m.slash<<1) != 0 || m.slash&1 != 0 && base > 0 && text[base-1] == '/'
}

// suspicious returns the suspicious bytes of the block. Most posts take no
// branch here: the conditions are of bits, and only rare symbols take a loop.
func (b *block) suspicious(prev *block, m, before *masks, text []byte, base int) uint64 {
	left, right := b.word<<1|prev.word>>63, b.word>>1
	out := b.odd
	// Digits among letters.
	letters, lettersBefore := b.word&^b.digit, prev.word&^prev.digit
	out |= b.digit & (letters<<1 | lettersBefore>>63 | letters>>1)
	out |= 1 & letters & (prev.digit >> 63)
	// Letters of two scripts, side by side.
	if b.cyr|b.alike|prev.cyr|prev.alike != 0 {
		near := func(m, before uint64) uint64 { return m<<1 | before>>63 | m>>1 }
		out |= b.latin & near(b.cyr|b.alike, prev.cyr|prev.alike)
		out |= 1 & (b.cyr | b.alike) & (prev.latin >> 63)
		out |= b.cyr & near(b.alike, prev.alike)
		out |= 1 & b.alike & (prev.cyr >> 63)
	}
	// Runs of three letters and more, and three pairs, one after the other.
	out |= b.pair & (b.pair<<1 | prev.pair>>63 | (b.pair<<2|prev.pair>>62)&(b.pair<<4|prev.pair>>60))
	out |= b.pair2 & (b.pair2<<2 | prev.pair2>>62 | (b.pair2<<4|prev.pair2>>60)&(b.pair2<<8|prev.pair2>>56))
	out |= m.symbols(before, b.word, left, right, prev.word>>62, text, base)
	return out &^ b.url &^ m.mentions(before, b.word, left, prev.word>>62)
}

// What makes a symbol suspicious: flags in besides.
const (
	between = 1 << iota // letters or digits on both sides
	before              // a letter behind it
	behind              // a letter before it
	ofEntity
)

var besides = func() (f [256]uint8) {
	for i := range len("$|+(<^~=\\{}[]*") {
		f["$|+(<^~=\\{}[]*"[i]] = between
	}
	for _, c := range "$|" {
		f[c] |= before | behind
	}
	f['*'] |= behind
	f['+'] |= behind
	f['&'] = ofEntity
	return f
}()

// symbolAt reports whether the symbol at i is suspicious.
func symbolAt(text []byte, i int, need uint8) bool {
	left := i > 0 && wordByte(text[i-1])
	right := i+1 < len(text) && wordByte(text[i+1])
	switch {
	case need == ofEntity:
		_, n := entity(text[i:])
		return n > 0
	case left && right:
		return need&between != 0
	case right:
		return need&before != 0
	case left:
		return need&behind != 0
	}
	return false
}

func wordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
}

// streak is the run of letters that stand alone, up to now.
type streak struct {
	length, first int
	done          bool // it has been noted
}

// alone notes where three letters in a row stand alone.
func (s *scanner) alone(k *streak, word, more, carry uint64, text []byte, base int) {
	begin := word &^ (word<<1 | carry)
	// A run of one character ends where the next one would begin.
	if begin == 0 {
		return
	}
	further := word &^ more &^ begin
	single := word &^ further
	sum, overflow := bits.Add64(single, begin, 0)
	stops := sum &^ single
	ones := stops &^ word
	many := stops & word
	if bits.OnesCount64(ones)+k.length < 3 {
		// Nearly always: there are too few for a run of three.
		if many != 0 {
			k.length = 0
			ones &= ^uint64(0) << bits.Len64(many)
		}
		if ones != 0 && k.length == 0 {
			k.begin(text, base+bits.TrailingZeros64(ones))
		}
		k.length += bits.OnesCount64(ones)
	} else {
		s.several(k, ones, many, text, base)
	}
	if overflow == 1 {
		// One character up to the block's end: what follows decides.
		if base+64 >= len(text) || !beginsWord(text[base+64:]) {
			s.count(k, text, base+64)
		} else {
			k.length = 0
		}
	}
}

// several counts the characters that stand alone, one by one: ones are the bits
// behind them, many those of longer words.
func (s *scanner) several(k *streak, ones, many uint64, text []byte, base int) {
	at := 0
	for m := ones; m != 0; m &= m - 1 {
		bit := bits.TrailingZeros64(m)
		if many&(1<<bit-1)&^(1<<at-1) != 0 {
			k.length = 0
		}
		s.count(k, text, base+bit)
		at = bit
	}
	if many>>at != 0 {
		k.length = 0
	}
}

// begin notes that the first letter that stands alone ends at i.
func (k *streak) begin(text []byte, i int) {
	_, size := utf8.DecodeLastRune(text[:i])
	k.first, k.done = i-size, false
}

// beginsWord reports whether text begins with a character of a word.
func beginsWord(text []byte) bool {
	if text[0] < utf8.RuneSelf {
		return wordByte(text[0])
	}
	for len(text) > 0 && text[0]&0xc0 == 0x80 {
		text = text[1:]
	}
	if len(text) == 0 {
		return false
	}
	r, _ := utf8.DecodeRune(text)
	return r < utf8.RuneSelf && wordByte(byte(r)) || r >= utf8.RuneSelf && classOf(r)&inWord != 0
}

// count adds the letter that ends at i.
func (s *scanner) count(k *streak, text []byte, i int) {
	if k.length++; k.length == 1 {
		k.begin(text, i)
	}
	if k.length == 3 && !k.done {
		s.spaced = append(s.spaced, k.first)
		k.done = true
	}
}
