package token

import (
	"bytes"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// selector is the variation selector 16, which asks for the look of an emoji.
const selector = "\ufe0f"

// pictograph puts the emoji sequence at i and returns its end. The sequences are
// those of UTS #51, section 1.4.9: a flag of two regional indicators, or an
// element, which is an emoji with its skin tone or its tags, and more elements
// behind joiners. Folding leaves joiners and tags where they make a sequence,
// and removes selectors; a text that is not folded may have them.
func (s *scanner) pictograph(i int) int {
	end := s.element(i)
	for {
		c, size := s.at(end)
		if c != class.Joiner {
			break
		}
		if next, _ := s.at(end + size); next != class.Emoji && next != class.Modifier {
			break
		}
		end = s.element(end + size)
	}
	s.put(i, end, text.Emoji)
	s.emoji++
	return end
}

// element returns the end of the flag or the element of a sequence at i.
func (s *scanner) element(i int) int {
	c, size := s.at(i)
	end := s.marks(i + size)
	next, size := s.at(end)
	if c == class.Regional && next == class.Regional {
		return end + size
	}
	for next == class.Modifier && c == class.Emoji || next == class.Tag {
		end = s.marks(end + size)
		next, size = s.at(end)
	}
	return end
}

// marks returns the end of the marks at i, selectors among them.
func (s *scanner) marks(i int) int {
	for {
		c, size := s.at(i)
		if c != class.Mark {
			return i
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
