package termlist

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/text/terms"
)

var format = listfile.Format{
	List:    "list of terms",
	Entry:   "term",
	Columns: []string{"term", "weight", "language", "view", "match", "note"},
}

// Line implements [listfile.Handler]. Comments are '#' and a blank or another
// mark. "\#word" is the hashtag; "#word" is refused, since it may be a hashtag, a
// comment or a term that was switched off.
func (p *parser) Line(n int, s string) {
	if s[0] == '#' {
		if r, _ := utf8.DecodeRuneInString(s[1:]); unicode.IsLetter(r) || unicode.IsDigit(r) {
			p.errs.Fail(n, `%.40q is a comment or a hashtag; write "# ..." for a comment, "\#..." for a hashtag`, s)
		}
		return
	}
	if strings.HasPrefix(s, `\#`) {
		s = s[1:]
	}
	p.add(row{term: s, line: n})
}

// Value implements [listfile.Handler].
func (p *parser) Value(line int, s string) { p.add(row{term: s, line: line}) }

// Row implements [listfile.Handler].
func (p *parser) Row(line int, f []string) {
	// Of strings that share memory, those that are kept are copied.
	p.add(row{term: strings.Clone(f[0]), weight: f[1], language: f[2], view: f[3], match: f[4], note: strings.Clone(f[5]), line: line})
}

// Ignore implements [listfile.Handler].
func (p *parser) Ignore(column string) { p.list.Ignored = append(p.list.Ignored, column) }

// Fail implements [listfile.Handler].
func (p *parser) Fail(line int, format string, args ...any) { p.errs.Fail(line, format, args...) }

// Full implements [listfile.Handler].
func (p *parser) Full() bool {
	return p.errs.Many() || len(p.list.Entries) > terms.MaxTerms
}
