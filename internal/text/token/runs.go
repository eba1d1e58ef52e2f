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
	hosted             // is part of a domain
)

// beside holds the flags of bytes.
var beside = func() (f [256]uint8) {
	const alnums = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for flag, set := range map[uint8]string{
		starts: "#@$", joint: ".,':", odd: "_0123456789", stops: "\x7f \"<>`{}\\^", closes: ".,:;!?'*_)]~|", follow: "/",
		named | follow: alnums + "_", hosted: alnums + ".-",
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
	begins := s.maps.begins
	run := 0
	for row := range rows {
		s.open(int(offsets[row]-offsets[0]), int(offsets[row+1]-offsets[0]))
		for {
			if run < len(begins) && int(s.maps.ends[run]) < s.bound {
				run = s.runs(run)
			}
			// What is next takes a reading by character, or nothing is.
			next := min(s.special, s.to)
			if run < len(begins) {
				next = min(next, int(begins[run]))
			}
			if next == s.to {
				break
			}
			if next == s.special {
				next = s.specials(next, s.class, s.size)
			} else {
				next = s.wholeRuns(s.slow(next))
			}
			for run < len(begins) && int(begins[run]) < next {
				run++
			}
			if s.special < next {
				s.seek(next)
			}
		}
		rows[row] = Row{End: int32(s.n), URLs: int32(s.urls), Emoji: int32(s.emoji), Emails: int32(s.emails)}
	}
}

// open goes to the text from..to.
func (s *scanner) open(from, to int) {
	s.from, s.to, s.first = from, to, s.n
	s.urls, s.emoji, s.emails = 0, 0, 0
	s.bound = to + 1
	if from < to && s.buf[from]&0xc0 == 0xc0 {
		if c, _ := s.at(from); c == class.Mark { // of nothing in this row
			s.maps.mark(from)
			s.special = -1
		}
	}
	if s.special < to {
		s.seek(max(from, s.special))
	}
}

// seek finds the first special character that is not before i. Runs that end
// before bound are by themselves: no special character is in them or makes them
// something else.
func (s *scanner) seek(i int) {
	s.special, s.bound = s.maps.nextSpecial(i), s.to+1
	if s.special < s.to {
		s.bound = s.special
		if s.class, s.size = s.at(s.special); s.class >= class.Spaceless && s.class != class.Keycap {
			s.bound++
		}
	}
}

// specials puts what begins with the special character at i, of a class and a
// length, and with those that follow what that is; it returns where the scan goes
// on.
func (s *scanner) specials(i int, c class.Class, size int) int {
	for {
		switch {
		case i > s.from && beside[s.buf[i-1]]&starts != 0:
			i = s.slow(i)
		case c == class.Spaceless:
			i = s.bigrams(i, size)
		case c == class.Emoji:
			i = s.pictographs(i, c, size)
		default:
			i = s.one(i)
		}
		i = s.wholeRuns(i)
		if i >= s.to || at(s.maps.special, i)&1 == 0 {
			return i
		}
		c, size = s.at(i)
	}
}

// runs puts the tokens that begin with runs, from the given run on, and returns
// the first run that takes a reading by character, is in what does, or is not of
// the text.
func (s *scanner) runs(run int) int {
	begins := s.maps.begins
	ends, hashes, odds := s.maps.ends[:len(begins)], s.maps.hash[:len(begins)], s.maps.odd[:len(begins)]
	n, hash := s.n, s.hash
	start, stop, kind := s.start[:len(hash)], s.end[:len(hash)], s.kind[:len(hash)]
	from, bound := uint32(s.from), uint32(s.bound)
	for run < len(begins) && n < len(hash) {
		i, end := begins[run], ends[run]
		if end >= bound {
			break
		}
		k := text.Word
		if odds[run] != 0 && !s.between(int(i), int(end)) {
			var rest int
			s.n = n
			if k, rest = s.oddRun(int(i), int(end)); k == 0 || rest != int(end) {
				if k == 0 && rest == 0 {
					break
				}
				if k != 0 {
					s.put(int(i), rest, k)
				}
				rest = s.wholeRuns(rest)
				n = s.n
				for run++; run < len(begins) && int(begins[run]) < rest; run++ {
				}
				if s.special < rest {
					s.seek(rest)
					bound = uint32(s.bound)
				}
				continue
			}
		}
		hash[n], start[n], stop[n], kind[n] = hashes[run], i-from, end-from, k
		n++
		run++
	}
	s.n = n
	return run
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

// taken reports whether the byte at i, behind which the scan is, is of the last
// token: a URL may end with a sign.
func (s *scanner) taken(i int) bool { return s.n > s.first && int(s.end[s.n-1]) > i-s.from }

// between reports whether the run i..end is a word because it is between two
// stops, of which neither joins anything to it nor begins a URL.
func (s *scanner) between(i, end int) bool {
	in := s.buf
	return i > s.from && end < s.to && in[i-1] == '.' && in[end] == '.' && beside[in[i]]&odd == 0 && isAlpha(in[end-1]) && end-i != len("www")
}

// oddRun returns the kind and the end of the token that begins at i, with the
// run i..end, where that takes no reading by character; else 0 and 0, or 0 and
// the end of what it put itself. There is nothing special in the run, and what is
// special behind it makes it nothing else; see seek.
func (s *scanner) oddRun(i, end int) (text.Kind, int) {
	in := s.buf
	var before byte
	if i > s.from {
		before = in[i-1]
	}
	if beside[before]&starts != 0 && !s.taken(i-1) {
		switch {
		case before == '@' && s.plainMention(i, end):
			return text.Mention, end
		case before == '#' && s.plainHashtag(i, end):
			return text.Hashtag, end
		case before == '$' && s.plainCashtag(i, end):
			return text.Cashtag, end
		case i-2 >= s.from && beside[in[i-2]]&named != 0 && s.unsigned(i, end): // what is before the sign forbids it
		default:
			if stop := s.sign(i - 1); stop > i {
				return 0, stop
			}
		}
	}
	switch {
	case end+1 >= s.to || joined(in[end], in[end+1]) == 0:
		return s.simple(i, end)
	case in[end] == ':':
		if host := s.afterScheme(i, end); host > 0 {
			if stop := s.urlEnd(host); stop > host {
				s.urls++
				return text.URL, stop
			}
		}
		return s.simple(i, end) // a colon joins nothing
	case in[end] == '.' && in[end-1] < utf8.RuneSelf && !isDigit(in[end-1]):
		return s.dotted(i, end, before)
	}
	return s.joinedRuns(i, end)
}

// dotted is oddRun for a run i..end that no full stop joins to what is behind it:
// it may begin a URL.
func (s *scanner) dotted(i, end int, before byte) (text.Kind, int) {
	in := s.buf
	switch {
	case !isAlnum(in[end+1]): // begins none
	case end-i == len("www") && string(in[i:end]) == "www":
		if stop := s.urlEnd(end + 1); stop > end+1 {
			s.urls++
			return text.URL, stop
		}
	case end+2 >= s.to || beside[in[end+2]]&hosted == 0: // no domain ends in one letter
	case before != '.': // else it is within or behind what is no domain
		if stop := s.bareDomain(i, end); stop > end {
			return 0, stop
		}
	}
	return s.simple(i, end)
}

// joinedRuns is oddRun for a run i..end behind which a stop, a comma or an
// apostrophe is, and more that it may join to the run: WB6, WB7, WB11 and WB12 of
// UAX #29, of ASCII.
func (s *scanner) joinedRuns(i, end int) (text.Kind, int) {
	in := s.buf
	for {
		last, next := in[end-1], in[end+1]
		if last|next >= utf8.RuneSelf {
			return 0, 0
		}
		if !(isDigit(last) && isDigit(next) || in[end] == '\'' && isAlpha(last) && isAlpha(next)) {
			break
		}
		end = s.runEnd(end + 1)
		if end >= s.bound {
			return 0, 0 // something special is in it or behind it
		}
		if end+1 >= s.to || joined(in[end], in[end+1]) == 0 || in[end] == ':' {
			return s.simple(i, end)
		}
	}
	if in[end] == '.' {
		return s.dotted(i, end, 0)
	}
	return s.simple(i, end)
}

// wholeRuns puts the rest of the run that i, which is behind something, is within,
// if it is in one, and what follows, up to a place that is within none.
func (s *scanner) wholeRuns(i int) int {
	for i < s.to && at(s.maps.words, i-1)&3 == 3 {
		i = s.slow(i)
	}
	return i
}

func isAlpha(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func isDigit(b byte) bool { return b-'0' < 10 }

// plainMention reports whether the run i..end, behind '@', is a mention of
// letters, digits and '_' of ASCII and ends there.
func (s *scanner) plainMention(i, end int) bool {
	if i-2 >= s.from && s.buf[i-2] != ' ' && (at(s.maps.words, i-2)&1 == 1 || bars(s.buf[i-2])) {
		return false
	}
	if end < s.to {
		switch b := s.buf[end]; b {
		case '@':
			return false
		case ':':
			if s.isScheme(end) {
				return false
			}
		case '.', '-':
			if end+1 < s.to && (isAlnum(s.buf[end+1]) || i-2 >= s.from && isLocal(s.buf[i-2])) {
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

// unsigned reports whether the sign before the run i..end, which a letter, a digit
// or '_' precedes, makes nothing of the run, as far as it is easily seen.
func (s *scanner) unsigned(i, end int) bool {
	if s.buf[i-1] == '@' { // a retweet, or an address of more than one label
		return s.buf[i-2] != 't' && (end == s.to || s.buf[end] != '.' && s.buf[end] != '-')
	}
	return true
}

// plainHashtag reports whether the run i..end, behind '#', is a hashtag that
// begins with a letter and ends there.
func (s *scanner) plainHashtag(i, end int) bool {
	if s.buf[i] < 'a' || i > s.from+1 && s.buf[i-2] > ' ' {
		return false
	}
	return end == s.to || s.buf[end] < utf8.RuneSelf && s.buf[end] != '~' && s.buf[end] != ':'
}

// simple is oddRun for one run, or several with joints between them, that nothing
// is joined to: it is a word, a number, or nothing.
func (s *scanner) simple(i, end int) (text.Kind, int) {
	in := s.buf
	if beside[in[i]]&odd == 0 {
		return text.Word, end
	}
	var digits uint64
	for ; i < end; i += 8 {
		x := uint64(0)
		if i+8 <= len(in) {
			x = binary.LittleEndian.Uint64(in[i:])
			if left := end - i; left < 8 {
				x &= 1<<(8*left) - 1
			}
		} else {
			x, _ = words(in[i:end])
		}
		if x&highs != 0 {
			return 0, 0
		}
		low := x | blank
		if (low+(0x80-'a')*every)&^(low+(0x80-'z'-1)*every)&highs != 0 {
			return text.Word, end
		}
		digits |= (x + (0x80-'0')*every) &^ (x + (0x80-'9'-1)*every) & highs
	}
	if digits != 0 {
		return text.Number, end
	}
	return 0, end
}

// put appends the token buf[from:to].
func (s *scanner) put(from, to int, kind text.Kind) {
	n := s.n
	s.hash[n] = hashOf(s.buf, from, to)
	s.start[n] = uint32(from - s.from)
	s.end[n] = uint32(to - s.from)
	s.kind[n] = kind
	s.n = n + 1
}

// slow puts what begins at i, which is not a word by itself, character by
// character, and returns where it ends.
func (s *scanner) slow(i int) int {
	if i > s.from && beside[s.buf[i-1]]&starts != 0 && !s.taken(i-1) {
		if end := s.sign(i - 1); end > i {
			return end
		}
	}
	return s.one(i)
}
