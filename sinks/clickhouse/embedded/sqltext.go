package embedded

import "strings"

// A tokenKind is what a token of SQL text is to the little this package needs
// to know of it.
type tokenKind uint8

const (
	tokenWord       tokenKind = iota // an unquoted identifier or keyword
	tokenQuoted                      // an identifier in backticks or double quotes
	tokenString                      // a string literal or heredoc
	tokenNumber                      // a number
	tokenPunct                       // any other single character
	tokenIncomplete                  // a quote or comment without its end
)

// token is a piece of src[start:end].
type token struct {
	kind       tokenKind
	start, end int
}

// scanner splits SQL text as ClickHouse's own lexer does (src/Parsers/Lexer.cpp),
// as far as finding clauses and function names needs it: comments, three kinds
// of quotes (also the curly ones), heredocs, words.
type scanner struct {
	src string
	pos int
}

// next returns the next token, or false at the end of the text.
func (s *scanner) next() (token, bool) {
	for {
		s.skipSpace()
		if s.pos >= len(s.src) {
			return token{}, false
		}
		end, isComment := s.comment()
		if !isComment {
			break
		}
		if end < 0 {
			return s.take(tokenIncomplete, len(s.src)), true
		}
		s.pos = end
	}
	rest := s.src[s.pos:]
	switch c := rest[0]; {
	case c == '\'':
		return s.quoted(tokenString, '\''), true
	case c == '"' || c == '`':
		return s.quoted(tokenQuoted, c), true
	case strings.HasPrefix(rest, "\u2018"):
		return s.until(tokenString, "\u2019"), true
	case strings.HasPrefix(rest, "\u201c"):
		return s.until(tokenQuoted, "\u201d"), true
	case c == '$':
		return s.heredoc(), true
	case isDigit(c):
		return s.take(tokenNumber, s.pos+span(rest, func(b byte) bool { return isWordByte(b) || b == '.' })), true
	case isWordStart(c):
		return s.take(tokenWord, s.pos+span(rest, isWordByte)), true
	}
	return s.take(tokenPunct, s.pos+1), true
}

func (s *scanner) take(kind tokenKind, end int) token {
	t := token{kind: kind, start: s.pos, end: end}
	s.pos = end
	return t
}

// skipSpace skips white space, the no-break and zero-width kinds included, as
// the engine does.
func (s *scanner) skipSpace() {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' || c == 0 {
			s.pos++
			continue
		}
		if c < 0x80 {
			return
		}
		n := wideSpace(s.src[s.pos:])
		if n == 0 {
			return
		}
		s.pos += n
	}
}

// wideSpace is the length of the non-ASCII white space that text starts with.
func wideSpace(text string) int {
	for _, space := range [...]string{
		"\u0085", "\u00a0", "\u1680", "\u180e", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
		"\u2007", "\u2008", "\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f",
		"\u2060", "\u3000", "\ufeff",
	} {
		if strings.HasPrefix(text, space) {
			return len(space)
		}
	}
	return 0
}

// comment returns where the comment at the current position ends (-1: never),
// and whether there is one.
func (s *scanner) comment() (end int, isComment bool) {
	rest := s.src[s.pos:]
	switch {
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
		if at := strings.IndexByte(rest, '\n'); at >= 0 {
			return s.pos + at + 1, true
		}
		return len(s.src), true
	case strings.HasPrefix(rest, "/*"):
		if at := strings.Index(rest[2:], "*/"); at >= 0 {
			return s.pos + 2 + at + 2, true
		}
		return -1, true
	}
	return 0, false
}

// quoted takes a literal that ends with quote; a backslash or a doubled quote
// escapes.
func (s *scanner) quoted(kind tokenKind, quote byte) token {
	for i := s.pos + 1; i < len(s.src); i++ {
		switch s.src[i] {
		case '\\':
			i++
		case quote:
			if i+1 < len(s.src) && s.src[i+1] == quote {
				i++
				continue
			}
			return s.take(kind, i+1)
		}
	}
	return s.take(tokenIncomplete, len(s.src))
}

func (s *scanner) until(kind tokenKind, closing string) token {
	if at := strings.Index(s.src[s.pos:], closing); at >= 0 {
		return s.take(kind, s.pos+at+len(closing))
	}
	return s.take(tokenIncomplete, len(s.src))
}

// heredoc takes $tag$ ... $tag$, or the single $ where it is none.
func (s *scanner) heredoc() token {
	rest := s.src[s.pos:]
	n := 1 + span(rest[1:], isWordByte)
	if n >= len(rest) || rest[n] != '$' {
		return s.take(tokenPunct, s.pos+1)
	}
	tag := rest[:n+1]
	if at := strings.Index(rest[len(tag):], tag); at >= 0 {
		return s.take(tokenString, s.pos+len(tag)+at+len(tag))
	}
	return s.take(tokenIncomplete, len(s.src))
}

func span(text string, ok func(byte) bool) int {
	for i := range len(text) {
		if !ok(text[i]) {
			return i
		}
	}
	return len(text)
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isWordByte(c byte) bool  { return isWordStart(c) || isDigit(c) }

// is reports whether t is the keyword.
func (t token) is(src, keyword string) bool {
	return t.kind == tokenWord && strings.EqualFold(src[t.start:t.end], keyword)
}

// punct reports whether t is the character.
func (t token) punct(src string, c byte) bool { return t.kind == tokenPunct && src[t.start] == c }

// name is the identifier that t is, without its quotes; "" if it is none.
func (t token) name(src string) string {
	text := src[t.start:t.end]
	switch {
	case t.kind == tokenWord:
		return text
	case t.kind != tokenQuoted:
		return ""
	case strings.HasPrefix(text, "\u201c"):
		return text[len("\u201c") : len(text)-len("\u201d")]
	}
	quote := text[:1]
	inner := strings.ReplaceAll(text[1:len(text)-1], quote+quote, quote)
	return unescape(inner)
}

// unescape undoes the backslash escapes of a quoted identifier that could hide
// a plain letter.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		if text[i] == 'x' && i+2 < len(text) {
			hi, lo := hexDigit(text[i+1]), hexDigit(text[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
