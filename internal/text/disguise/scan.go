package disguise

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// The scan looks for places that a disguise may be at, 8 bytes at a time where
// they are ASCII or Cyrillic, as 64 bits of masks a block. Most posts have no
// such place, and nothing else is done with them.

const (
	every = 0x0101010101010101
	highs = 0x8080808080808080
	blank = 0x2020202020202020

	// lookahead is how many bytes the scan of a block looks at.
	lookahead = 64 + 10
)

// block is what the scan knows of 64 bytes, one bit a byte.
type block struct {
	word  uint64 // of letters and digits, marks and invisible characters
	more  uint64 // continuation bytes of UTF-8
	digit uint64
	space uint64
	latin uint64 // letters of the Latin script
	cyr   uint64 // letters of the Cyrillic script
	alike uint64 // letters of other scripts that have look-alikes
	pair  uint64 // letters of ASCII that are followed by the same one
	pair2 uint64 // letters of Cyrillic that are, the first bytes
	odd   uint64 // characters that are mostly used as disguises
}

// place is a block with suspicious bytes.
type place struct {
	at   int
	bits uint64
}

// scanner finds the suspicious places of one text.
type scanner struct {
	places      []place
	spaced      []int // where three letters in a row stand alone: the first one
	latin, cyr  int   // bytes of letters
	latinBlocks []uint64
	cyrBlocks   []uint64
	last        [lookahead]byte // the text's last bytes, and blanks behind them
}

var blanks = [lookahead]byte([]byte(strings.Repeat(" ", lookahead)))

// gather returns the high bits of the 8 bytes of x as 8 bits.
func gather(x uint64) uint64 { return (x & highs) * 0x0002040810204081 >> 56 }

// zero returns the high bit of each byte of x, below 0x80, that is 0.
func zero(x uint64) uint64 { return ^(x + 0x7f*every) & highs }

// uniform reports whether the characters beyond ASCII that begin in x, if any,
// all begin with the bytes D0 or D1: U+0400 to U+047F.
func uniform(x uint64) bool {
	lead := x & (x << 1) & highs
	z := x&^every ^ 0xd0*every
	return lead&((z&^highs+0x7f*every)|z) == 0
}

// scan fills s and reports whether there is any suspicious place.
func (s *scanner) scan(text []byte) bool {
	s.places, s.spaced = s.places[:0], s.spaced[:0]
	s.latinBlocks, s.cyrBlocks = s.latinBlocks[:0], s.cyrBlocks[:0]
	s.latin, s.cyr = 0, 0
	var prev block
	over := 0
	var alone streak
	for base := 0; base < len(text); base += 64 {
		var b block
		if len(text)-base >= lookahead {
			over = b.load((*[lookahead]byte)(text[base:]), text, base, 64, over, prev.word>>63 == 1)
		} else {
			s.last = blanks
			n := copy(s.last[:], text[base:])
			over = b.load(&s.last, text, base, min(n, 64), over, prev.word>>63 == 1)
		}
		found := b.suspicious(&prev, text, base)
		if found != 0 {
			s.places = append(s.places, place{base, found})
		}
		s.alone(&alone, &b, prev.word>>63, text, base)
		s.latin += bits.OnesCount64(b.latin)
		s.cyr += bits.OnesCount64(b.cyr)
		s.latinBlocks = append(s.latinBlocks, b.latin)
		s.cyrBlocks = append(s.cyrBlocks, b.cyr)
		prev = b
	}
	if s.latin > 0 && s.cyr > 0 {
		s.strangers(text)
	}
	return len(s.places)+len(s.spaced) > 0
}

// load fills b for the n bytes from base on, at most 64, which p begins with;
// blanks are behind them. over is how many of them belong to the character
// before, which is of a word or not; it returns that number for the next block.
func (b *block) load(p *[lookahead]byte, text []byte, base, n, over int, inWord bool) int {
	var word, latin, digits, space, pair uint64
	for g := 0; g < n; g += 8 {
		x := binary.LittleEndian.Uint64(p[g : g+8])
		if x&highs != 0 || over > 0 {
			over = b.wide(p, text, base, g, x, over, inWord)
			inWord = b.word>>(g+7)&1 == 1
			continue
		}
		// Fast path: ASCII.
		low := x | blank
		letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every) & highs
		digit := (x + (0x80-'0')*every) &^ (x + (0x80-'9'-1)*every) & highs
		diff := low ^ (binary.LittleEndian.Uint64(p[g+1:g+9]) | blank)
		word |= gather(letter|digit) << g
		latin |= gather(letter) << g
		digits |= gather(digit) << g
		space |= gather(zero(x^blank)) << g
		pair |= gather(zero(diff&^highs|diff>>7&every)&letter) << g
		inWord = (letter|digit)>>63 == 1
	}
	b.word, b.latin, b.digit, b.space, b.pair = b.word|word, b.latin|latin, b.digit|digits, b.space|space, b.pair|pair
	return over
}

// wide is load for a group that is not all ASCII.
func (b *block) wide(p *[lookahead]byte, text []byte, base, g int, x uint64, over int, inWord bool) int {
	if uniform(x) && (over == 0 || b.cyr<<1>>g&1 == 1 || g == 0 && inWord) && (over < 2) {
		// Fast path: ASCII and Cyrillic.
		high := x & highs
		y := x &^ highs
		low := y | blank
		letter := (low + (0x80-'a')*every) &^ (low + (0x80-'z'-1)*every) & highs &^ high
		digit := (y + (0x80-'0')*every) &^ (y + (0x80-'9'-1)*every) & highs &^ high
		more := high &^ (x << 1)
		next := binary.LittleEndian.Uint64(p[g+2 : g+10])
		same := zero((x^next)&^highs | (x^next)&highs>>7) // as the byte two further on
		b.word |= gather(letter|digit|high) << g
		b.latin |= gather(letter) << g
		b.cyr |= gather(high) << g
		b.digit |= gather(digit) << g
		b.more |= gather(more) << g
		b.space |= gather(zero(y^blank)&^high) << g
		b.pair2 |= gather(same&(same>>8)&high&^more) << g
		if i := base + g; i+8 < len(text) && x>>63 == 1 && x>>62&1 == 1 {
			return 1
		}
		return 0
	}
	i, end := base+g, min(base+g+8, len(text))
	for j := range min(over, 8) {
		b.more |= 1 << (g + j)
		if inWord {
			b.word |= 1 << (g + j)
		}
	}
	if over >= 8 {
		return over - 8
	}
	i += over
	for i < end {
		i += b.char(text, base, i)
	}
	return i - end
}

// char classifies the character at i and returns its length.
func (b *block) char(text []byte, base, i int) int {
	at := i - base
	c := text[i]
	if c < utf8.RuneSelf {
		bit := uint64(1) << at
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			b.word |= bit
			b.latin |= bit
		case c >= '0' && c <= '9':
			b.word |= bit
			b.digit |= bit
		case c == ' ':
			b.space |= bit
		}
		return 1
	}
	r, size := utf8.DecodeRune(text[i:])
	all := (uint64(1)<<size - 1) << at
	b.more |= all &^ (1 << at)
	class := classOf(r)
	if class&inWord != 0 {
		b.word |= all
	}
	if class&isMark != 0 {
		b.more |= all
	}
	switch class & scripts {
	case isLatin:
		b.latin |= all
	case isCyrillic:
		b.cyr |= all
	case isAlike:
		b.alike |= all
	}
	if class&isDigit != 0 {
		b.digit |= all
	}
	if class&isOdd != 0 || class&isSymbol != 0 && touches(text, i, size) {
		b.odd |= 1 << at
	}
	if class&inWord != 0 && repeats(text[i:], size) {
		b.odd |= 1 << at
	}
	if r >= 0x1F1E6 && r <= 0x1F1FF && regional(text[i+size:]) && regional(text[min(i+2*size, len(text)):]) {
		b.odd |= 1 << at
	}
	return size
}

// repeats reports whether the character that text begins with is there three
// times, or twice before another that is.
func repeats(text []byte, size int) bool {
	if len(text) < 3*size || string(text[:size]) != string(text[size:2*size]) {
		return false
	}
	next := text[2*size:]
	return string(next[:size]) == string(text[:size]) || len(next) >= 2*size && string(next[:size]) == string(next[size:2*size])
}

// regional reports whether b begins with a regional indicator.
func regional(b []byte) bool {
	return len(b) >= 4 && b[0] == 0xF0 && b[1] == 0x9F && b[2] == 0x87 && b[3] >= 0xA6
}

// touches reports whether the character at i stands directly beside a letter
// or digit of ASCII, or another character beyond it.
func touches(text []byte, i, size int) bool {
	beside := func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
	}
	return i > 0 && beside(text[i-1]) || i+size < len(text) && beside(text[i+size])
}

// suspicious returns the suspicious bytes of the block.
func (b *block) suspicious(prev *block, text []byte, base int) uint64 {
	near := func(m, before uint64) uint64 { return m<<1 | before>>63 | m>>1 }
	letters := b.word &^ b.digit
	out := b.odd
	// Digits among letters; at the block's edges, the other side is looked up.
	out |= b.digit & near(letters, prev.word&^prev.digit)
	out |= 1 & b.word & (b.digit ^ prev.digit>>63) & (prev.word >> 63)
	out |= b.latin & near(b.cyr|b.alike, prev.cyr|prev.alike)
	out |= 1 & (b.cyr | b.alike) & (prev.latin >> 63)
	out |= b.cyr & near(b.alike, prev.alike)
	// Runs of three letters and more, and two pairs, one after the other.
	out |= b.pair & (b.pair<<1 | prev.pair>>63 | b.pair<<2 | prev.pair>>62)
	out |= b.pair2 & (b.pair2<<2 | prev.pair2>>62 | b.pair2<<4 | prev.pair2>>60)
	// Symbols beside letters.
	beside := ^(b.word | b.space | b.more) & (near(b.word, prev.word) | 1<<63) // what stands behind the last byte is not known
	if len(text)-base < 64 {
		beside &= 1<<(len(text)-base) - 1
	}
	for m := beside; m != 0; m &= m - 1 {
		i := base + bits.TrailingZeros64(m)
		need := besides[text[i]]
		if need == 0 {
			continue
		}
		if symbolAt(text, i, need) {
			out |= 1 << (i - base)
		}
	}
	return out
}

// What makes a symbol suspicious: flags in besides.
const (
	between = 1 << iota // letters or digits on both sides
	before              // a letter behind it
	behind              // a letter before it
	ofEntity
)

var besides = func() (f [256]uint8) {
	for i := range len("!$@|+(<^~`=\\{}[]*#_") {
		f["!$@|+(<^~`=\\{}[]*#_"[i]] = between
	}
	for i := range len("$!|_") {
		f["$!|_"[i]] |= before
	}
	for i := range len("$|_*@+") {
		f["$|_*@+"[i]] |= behind
	}
	f['&'] = ofEntity
	f['#'] |= ofEntity
	return f
}()

// symbolAt reports whether the symbol at i is suspicious.
func symbolAt(text []byte, i int, need uint8) bool {
	left := i > 0 && wordByte(text[i-1])
	right := i+1 < len(text) && wordByte(text[i+1])
	switch {
	case need&ofEntity != 0 && (text[i] == '&' || i > 0 && text[i-1] == '&'):
		if text[i] != '&' {
			i--
		}
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
func (s *scanner) alone(k *streak, b *block, carry uint64, text []byte, base int) {
	begin := b.word &^ (b.word<<1 | carry)
	// A run of one character ends where the next one would begin.
	further := b.word &^ b.more &^ begin
	single := b.word &^ further
	sum, overflow := bits.Add64(single, begin, 0)
	stops := sum &^ single
	ones := stops &^ b.word
	many := stops & b.word
	at := base
	for m := ones; m != 0; m &= m - 1 {
		bit := bits.TrailingZeros64(m)
		if many&(1<<bit-1)&^(1<<(at-base)-1) != 0 {
			k.length = 0
		}
		s.count(k, text, base+bit)
		at = base + bit
	}
	if many>>(at-base) != 0 {
		k.length = 0
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
		_, size := utf8.DecodeLastRune(text[:i])
		k.first, k.done = i-size, false
	}
	if k.length == 3 && !k.done {
		s.spaced = append(s.spaced, k.first)
		k.done = true
	}
}
