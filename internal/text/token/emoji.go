package token

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// selector is the variation selector 16, which asks for the look of an emoji.
const selector = "\ufe0f"

// pictographs puts the emoji sequences at i, of which the first begins with a
// character of class c and a length, and returns their end. The sequences are
// those of UTS #51, section 1.4.9: a flag of two regional indicators, or an
// element, which is an emoji with its skin tone or its tags, and more elements
// behind joiners. Folding leaves joiners and tags where they make a sequence,
// and removes selectors; a text that is not folded may have them.
func (s *scanner) pictographs(i int, c class.Class, size int) int {
	for {
		end, next, nextSize := s.element(i+size, c)
		for next == class.Joiner {
			c, size := s.at(end + nextSize)
			if c != class.Emoji && c != class.Modifier {
				break
			}
			end, next, nextSize = s.element(end+nextSize+size, c)
		}
		s.put(i, end, text.Emoji)
		s.emoji++
		if next != class.Emoji && next != class.Modifier && next != class.Regional {
			return end
		}
		i, c, size = end, next, nextSize
	}
}

// element returns the end of the flag or the element of a sequence of which the
// first character, of class c, ends at i; and what is at the end.
func (s *scanner) element(i int, c class.Class) (end int, next class.Class, size int) {
	end, next, size = s.marks(i)
	if c == class.Regional && next == class.Regional {
		end += size
		next, size = s.at(end)
		return end, next, size
	}
	for next == class.Modifier && c == class.Emoji || next == class.Tag {
		end, next, size = s.marks(end + size)
	}
	return end, next, size
}

// marks returns the end of the marks at i, selectors among them, and what is
// there.
func (s *scanner) marks(i int) (end int, next class.Class, size int) {
	for {
		if next, size = s.at(i); next != class.Mark {
			return i, next, size
		}
		i += size
	}
}

// keycap puts the keycap of the run start..end where that is a digit and it
// follows; it returns the end of it, or end where there is none.
func (s *scanner) keycap(start, end int) int {
	c, size := s.at(end)
	if d := s.buf[start]; c != class.Keycap || d < '0' || d > '9' || len(bytes.TrimSuffix(s.buf[start+1:end], []byte(selector))) > 0 {
		return end
	}
	s.put(start, end+size, text.Emoji)
	s.emoji++
	return end + size
}

// signKeycap puts the keycap i..end of the '#' or '*' before it, if one is there.
func (s *scanner) signKeycap(i, end int) {
	before := bytes.TrimSuffix(s.buf[s.from:i], []byte(selector))
	if r, size := utf8.DecodeLastRune(before); r == '#' || r == '*' {
		s.put(s.from+len(before)-size, end, text.Emoji)
		s.emoji++
	}
}
