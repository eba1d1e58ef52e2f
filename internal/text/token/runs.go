package token

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// What a byte does beside a run of word bytes, and to a URL: flags in beside.
const (
	joint  = 1 << iota // after a run: may join it to the next, or begin a URL
	follow             // after a joint: may be of the next run, or of a URL
	starts             // before a run: may begin a hashtag, mention or cashtag
	odd                // first in a run: not a letter
	stops              // ends a URL
	closes             // is not the last of a URL
	named              // is part of a handle
	hosted             // is part of a host name
)

// beside holds the flags of bytes.
var beside = func() (f [256]uint8) {
	const names = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for flag, set := range map[uint8]string{
		starts: "#@$", joint: ".,':", odd: "_0123456789", stops: "\x7f \"<>`{}\\^", closes: ".,:;!?'*_)]~|", follow: "/",
		named | follow: names, hosted: names + ".-",
	} {
		for i := range len(set) {
			f[set[i]] |= flag
		}
	}
	for b := range ' ' {
		f[b] |= stops
	}
	for b := 0x80; b < len(f); b++ {
		f[b] |= follow
	}
	return f
}()

// joined is not 0 where a run before the bytes a and b may go on behind a.
func joined(a, b byte) uint8 { return beside[a] & (beside[b] >> 1) & joint }

// scan puts the tokens of all rows, whose bitmaps and runs are there.
func (s *scanner) scan(rows []Row, offsets []int32) {
	for row, run := 0, 0; row < len(rows); row++ {
		if row, run = s.runs(rows, offsets, row, run); row == len(rows) {
			return
		}
		s.walk()
		for begins := s.maps.begins; run < len(begins) && int(begins[run]) < s.to; run++ {
		}
		rows[row] = Row{End: int32(s.Len()), URLs: int32(s.urls), Emoji: int32(s.emoji), Emails: int32(s.emails)}
	}
}

// open goes to the text from..to, of which the first token has the number n, and
// reports whether it has special characters.
func (s *scanner) open(from, to, n int) (special bool) {
	s.from, s.to, s.first = from, to, n
	s.urls, s.emoji, s.emails = 0, 0, 0
	if from < to && s.buf[from]&0xc0 == 0xc0 {
		if c, _ := s.at(from); c == class.Mark { // of nothing in this row
			s.maps.mark(from)
			s.special = from
		}
	}
	if s.special < from {
		s.special = s.maps.nextSpecial(from)
	}
	return s.special < to
}

// runs puts the tokens of the rows from row on, up to one with special
// characters, which it opens and returns. Its first run has the number run;
// those of the row that it returns begin with next.
func (s *scanner) runs(rows []Row, offsets []int32, row, run int) (stopped, next int) {
	begins := s.maps.begins
	ends, hashes, odds := s.maps.ends[:len(begins)], s.maps.hash[:len(begins)], s.maps.odd[:len(begins)]
	// The slices as they would be when full; n is how far they are.
	n := s.Len()
	hash := s.Hash[:cap(s.Hash)]
	start, stop, kind := s.Start[:len(hash)], s.End[:len(hash)], s.Kind[:len(hash)]
	for ; row < len(rows); row++ {
		from, to := uint32(offsets[row]-offsets[0]), uint32(offsets[row+1]-offsets[0])
		if s.open(int(from), int(to), n) {
			break
		}
		for run < len(begins) && n < len(hash) {
			i, end := begins[run], ends[run]
			if i >= to {
				break
			}
			if odds[run] == 0 {
				// Fast path: a word.
				hash[n], start[n], stop[n], kind[n] = hashes[run], i-from, end-from, text.Word
				n++
				run++
				continue
			}
			k, rest := s.oddRun(int(i), int(end))
			if k != 0 {
				h := hashes[run]
				if rest != int(end) {
					h = hashOf(s.buf, int(i), rest)
				}
				hash[n], start[n], stop[n], kind[n] = h, i-from, uint32(rest)-from, k
				n++
			} else {
				s.truncate(n)
				rest = s.oddEnd(int(i))
				n = s.Len()
			}
			for run++; rest > int(end) && run < len(begins) && int(begins[run]) < rest; run++ {
			}
		}
		rows[row] = Row{End: int32(n), URLs: int32(s.urls), Emoji: int32(s.emoji), Emails: int32(s.emails)}
	}
	s.truncate(n)
	return row, run
}

// runEnd returns the end of the run that i is in, or i where it is in none.
func (s *scanner) runEnd(i int) int {
	for i < s.to {
		w := ^at(s.maps.words, i)
		if skip := bits.TrailingZeros64(w); skip < window {
			return min(i+skip, s.to)
		}
		i += window
	}
	return s.to
}

// oddRun returns the kind and the end of the token that begins at i, with the
// run i..end, where that takes no reading by character; else 0. The byte before
// the run and what is behind it may make it more or less than a word. There is
// nothing special in the run and behind it.
func (s *scanner) oddRun(i, end int) (text.Kind, int) {
	in := s.buf
	var before byte
	if i > s.from {
		before = in[i-1]
	}
	switch {
	case before == '@':
		if s.plainMention(i, end) {
			return text.Mention, end
		}
	case before == '$' && in[i] > '9':
	case before == '#' && end < s.to && (in[end] >= utf8.RuneSelf || in[end] == '~' || in[end] == ':'):
	case end+1 >= s.to || joined(in[end], in[end+1]) == 0:
		return s.simple(i, end, before), end
	case in[end] == ':' && before != '#':
		host := s.afterScheme(i, end)
		if host == 0 {
			return s.simple(i, end, before), end // a colon joins nothing
		}
		if stop := s.urlEnd(host); stop > host {
			s.urls++
			return text.URL, stop
		}
	case in[end] == '.' && before == '.' && isAlpha(in[end-1]) && end-i != len("www"):
		// Within or behind what is no domain: see bareDomain.
		return s.simple(i, end, before), end
	case before != '#' && in[end] == '\'' && isAlpha(in[i]):
		if e := s.contraction(end); e > 0 {
			return text.Word, e
		}
	}
	return 0, end
}

// oddEnd puts what begins with the run at i, of which oddRun knows nothing, and
// returns where the scan goes on.
func (s *scanner) oddEnd(i int) int { return s.wholeRuns(s.slow(i)) }

// wholeRuns puts the rest of the run in which i is, if it is in one, and what
// follows, up to a place that is in none.
func (s *scanner) wholeRuns(i int) int {
	for i < s.to && at(s.maps.words, i)&1 == 1 {
		i = s.slow(i)
	}
	return i
}

func isAlpha(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// contraction returns the end of a word that has an apostrophe at i, between
// letters of ASCII, or 0 where something else is there.
func (s *scanner) contraction(i int) int {
	in := s.buf
	for i+1 < s.to && in[i] == '\'' && isAlpha(in[i-1]) && isAlpha(in[i+1]) {
		if i = s.runEnd(i + 1); i == s.to {
			return i
		}
		if i+1 == s.to || joined(in[i], in[i+1]) == 0 {
			return i
		}
	}
	return 0
}

// plainMention reports whether the run i..end, behind '@', is a mention of
// letters, digits and '_' of ASCII and ends there.
func (s *scanner) plainMention(i, end int) bool {
	if i-2 >= s.from && s.buf[i-2] != ' ' && (at(s.maps.words, i-2)&1 == 1 || bars(s.buf[i-2])) {
		return false
	}
	if end < s.to {
		switch b := s.buf[end]; b {
		case '@', ':':
			return b == ':' && !s.isScheme(end)
		case '.', '-':
			if end+1 < s.to && isAlnum(s.buf[end+1]) {
				return false
			}
		}
	}
	if end-i <= 16 && i+16 <= len(s.buf) {
		x, y, mask := binary.LittleEndian.Uint64(s.buf[i:]), binary.LittleEndian.Uint64(s.buf[i+8:]), &masks[end-i]
		return (x&mask[0]|y&mask[1])&highs == 0
	}
	var all byte
	for _, b := range s.buf[i:end] {
		all |= b
	}
	return all < 0x80
}

// simple returns the kind of the run i..end that is not a word and not joined
// to another, where it is a word all the same, a plain number or hashtag, else 0.
func (s *scanner) simple(i, end int, before byte) text.Kind {
	in := s.buf
	if before == '#' {
		if in[i] < 'a' {
			return 0
		}
		if i == s.from+1 || in[i-2] <= ' ' {
			return text.Hashtag
		}
		if at(s.maps.words, i-2)&1 == 0 {
			return 0
		}
	}
	if beside[in[i]]&odd == 0 {
		return text.Word
	}
	if end-i > 8 || i+8 > len(in) {
		return 0
	}
	x := binary.LittleEndian.Uint64(in[i:])<<(64-8*(end-i)) ^ '0'*every
	x ^= (1<<(64-8*(end-i)) - 1) & ('0' * every) // the bytes that are not of the run
	if (x|(x+(0x80-10)*every))&highs == 0 {
		return text.Number
	}
	return 0
}

// walk is scan for rows with special characters: it goes from one run or
// special character to the next.
func (s *scanner) walk() {
	words, special := s.maps.words, s.maps.special
	for i := s.from; i < s.to; {
		w, x := at(words, i), at(special, i)
		if left := s.to - i; left < 64 {
			w &= 1<<left - 1
			x &= 1<<left - 1
		}
		skip := bits.TrailingZeros64(w | x)
		if skip >= window {
			i += window
			continue
		}
		i += skip
		w, x = w>>skip, x>>skip
		length := bits.TrailingZeros64(^w)
		end := i + length
		if length > 0 && skip+length < window-1 && x<<(63-length) == 0 {
			// The window shows the run and the byte behind it; there is nothing
			// special.
			if k, to := s.oddRun(i, end); k != 0 {
				s.put(i, to, k)
				i = s.wholeRuns(to)
			} else {
				i = s.oddEnd(i)
			}
			continue
		}
		i = s.wholeRuns(s.slow(i))
	}
}

// put appends the token buf[from:to].
func (s *scanner) put(from, to int, kind text.Kind) {
	n := len(s.Hash)
	s.Hash, s.Start, s.End, s.Kind = s.Hash[:n+1], s.Start[:n+1], s.End[:n+1], s.Kind[:n+1]
	s.Hash[n] = hashOf(s.buf, from, to)
	s.Start[n] = uint32(from - s.from)
	s.End[n] = uint32(to - s.from)
	s.Kind[n] = kind
}

// slow puts what begins at i, which is not a word by itself, character by
// character, and returns where it ends.
func (s *scanner) slow(i int) int {
	if i > s.from {
		if end := s.sign(i - 1); end > i {
			return end
		}
	}
	return s.one(i)
}
