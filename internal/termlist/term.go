package termlist

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readMarks finds out what the marks in a term make of it: "regex:...",
// "substring:..." and so on at its beginning, else '*' and '?' in a single word.
// A backslash before '*', '?', '#' or a backslash takes the mark's meaning away.
func (e *Entry) readMarks() error {
	if !strings.ContainsAny(e.Term, `:*?\`) {
		return nil
	}
	if name, rest, ok := strings.Cut(e.Term, ":"); ok {
		if m, err := ParseMatch(name); err == nil {
			if e.Match, e.Term = m, rest; strings.TrimSpace(rest) == "" {
				return fmt.Errorf("nothing behind %q; write the term there", name+":")
			}
			return nil
		}
	}
	if strings.Contains(e.Term, "://") || strings.HasPrefix(e.Term, "www.") {
		return nil // '?' and '*' are part of URLs
	}
	return e.readWildcards()
}

// readWildcards makes a prefix or a wildcard of a term with marks, and a whole
// term of one without them, where it removes the backslashes.
func (e *Entry) readWildcards() error {
	stars, questions, last := 0, 0, false
	for i := 0; i < len(e.Term); i++ {
		last = false
		switch b := e.Term[i]; {
		case escapes(e.Term[i:]):
			i++
		case b == '*':
			stars, last = stars+1, true
		case b == '?' && !ends(e.Term[i:]):
			questions++
		}
	}
	switch {
	case stars+questions == 0:
		e.Term = Unescape(e.Term)
		return nil
	case strings.ContainsFunc(e.Term, unicode.IsSpace):
		return errors.New(`'*' and '?' stand for characters of a word, and this is a phrase; write "\*" or "\?" for the mark itself, or use match: regex`)
	case strings.Contains(e.Term, "**"):
		return errors.New(`"**" could be meant as two characters or as a wildcard; write "\*" for the mark itself, one "*" for any characters`)
	case stars == 1 && questions == 0 && last && !strings.Contains(e.Term, `\`):
		e.Match, e.marked = Prefix, true
	default:
		e.Match = Wildcard
	}
	return nil
}

// escapes reports whether s begins with a backslash that takes away the meaning
// of the mark behind it.
func escapes(s string) bool {
	return len(s) > 1 && s[0] == '\\' && (s[1] == '*' || s[1] == '?' || s[1] == '#' || s[1] == '\\')
}

// ends reports whether s, which begins with '?', has no word behind it: it is
// a question mark then.
func ends(s string) bool {
	s = strings.TrimLeft(s, "?")
	r, _ := utf8.DecodeRuneInString(s)
	return s == "" || unicode.IsSpace(r)
}

// Unescape removes the backslashes that take away the meaning of a mark.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if escapes(s[i:]) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func parseWeight(s string) (float32, error) {
	w, err := strconv.ParseFloat(s, 32)
	if err != nil || math.IsNaN(w) || math.Abs(w) > MaxWeight {
		return 0, fmt.Errorf("the weight %.40q is not a number from %g to %g", s, -MaxWeight, MaxWeight)
	}
	return float32(w), nil
}

// language returns the number of a language.
func (p *parser) language(tag string) (uint16, error) {
	tag = Language(tag)
	if n, ok := p.languages[tag]; ok {
		return n, nil
	}
	if !isLanguage(tag) {
		return 0, fmt.Errorf("%.40q is no language tag of BCP 47, such as en or pt-BR; leave it empty for all languages", tag)
	}
	n := len(p.list.Languages)
	if n >= MaxLanguages {
		return 0, fmt.Errorf("more than %d languages in one list: split it", MaxLanguages)
	}
	p.languages[tag] = uint16(n)
	p.list.Languages = append(p.list.Languages, tag)
	return uint16(n), nil
}

// Language returns a tag in lower case, with '-' between the subtags and the
// three codes that ISO 639 has replaced and platforms still use; "" for "und"
// and "*", which are all languages.
func Language(tag string) string {
	tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
	first, rest, more := strings.Cut(tag, "-")
	switch first {
	case "iw":
		first = "he"
	case "in":
		first = "id"
	case "ji":
		first = "yi"
	case "und", "*":
		return ""
	}
	if more {
		return first + "-" + rest
	}
	return first
}

// isLanguage reports whether a lower-case tag is well-formed: a language of 2
// or 3 letters and subtags of 1 to 8 letters and digits.
func isLanguage(tag string) bool {
	for i, sub := range strings.Split(tag, "-") {
		if len(sub) > 8 || sub == "" || i == 0 && (len(sub) < 2 || len(sub) > 3) {
			return false
		}
		for _, b := range []byte(sub) {
			if (b < 'a' || b > 'z') && (i == 0 || b < '0' || b > '9') {
				return false
			}
		}
	}
	return len(tag) <= 64
}
