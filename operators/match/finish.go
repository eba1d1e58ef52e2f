package match

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text/pattern"
	"github.com/sluicehq/sluice/pipeline"
)

// columns resolves the columns that a target needs.
func (c *compiler) columns(to target) error {
	str := arrow.BinaryTypes.String
	need := func(at *int, column string, dt arrow.DataType) (err error) {
		*at, err = pipeline.Column(c.in, column, dt)
		return err
	}
	if to.on != pipeline.ColText {
		f, ok := c.in.FieldsByName(to.on)
		if ok && (arrow.TypeEqual(f[0].Type, str) || arrow.TypeEqual(f[0].Type, pipeline.ListOf(str))) {
			return nil
		}
		_, err := pipeline.Column(c.in, to.on, pipeline.ListOf(str))
		return err
	}
	if err := need(&c.text, pipeline.ColText, str); err != nil || to.view == termlist.Raw {
		return err
	}
	if c.folded >= 0 && c.kind >= 0 {
		return nil
	}
	u32 := pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	for _, col := range []struct {
		at   *int
		name string
		dt   arrow.DataType
	}{
		{&c.folded, pipeline.ColTextFolded, str},
		{&c.hash, pipeline.ColTokenHash, pipeline.ListOf(arrow.PrimitiveTypes.Uint64)},
		{&c.start, pipeline.ColTokenStart, u32},
		{&c.end, pipeline.ColTokenEnd, u32},
		{&c.kind, pipeline.ColTokenKind, pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
	} {
		if err := need(col.at, col.name, col.dt); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the searches, target by target.
func (c *compiler) finish() error {
	for _, b := range c.order {
		at := len(c.sources)
		c.sources = append(c.sources, b.from)
		if set := b.words.Build(); set.Len() > 0 {
			if b.on == pipeline.ColText {
				c.searches = append(c.searches, &wordSearch{at, set})
				c.hidden(b)
			} else {
				c.searches = append(c.searches, &valueSearch{at, set, b.on == pipeline.ColURLDomains})
			}
		}
		if len(b.prefixes) > 0 {
			c.searches = append(c.searches, &prefixSearch{at, pattern.NewPrefixes(b.prefixes), b.prefixTerms, b.prefixTags})
		}
		if len(b.urls) > 0 {
			c.searches = append(c.searches, &urlSearch{at, pattern.NewURLs(b.urls), b.urlTerms})
		}
		c.anywhere(b, at)
	}
	return nil
}

// anywhere makes the searches of substrings, wildcards and expressions.
func (c *compiler) anywhere(b *builder, at int) {
	s := &anywhereSearch{from: at}
	literals := b.subs
	for _, id := range b.subTerms {
		s.uses = append(s.uses, use{useTerm, id})
	}
	var bareGlobs []globTerm
	for _, g := range b.globs {
		l := g.Literal()
		if len(l) < pattern.MinSubstring {
			bareGlobs = append(bareGlobs, g)
			continue
		}
		literals, s.uses = append(literals, l), append(s.uses, use{useGlob, uint32(len(s.globs))})
		s.globs = append(s.globs, g)
	}
	var bareRegexes []regexTerm
	for _, r := range b.regexes {
		if len(r.Literals()) == 0 {
			bareRegexes = append(bareRegexes, r)
			continue
		}
		for _, l := range r.Literals() {
			literals, s.uses = append(literals, l), append(s.uses, use{useRegex, uint32(len(s.regexes))})
		}
		s.regexes = append(s.regexes, r)
	}
	if len(literals) > 0 {
		s.set, s.begins = pattern.NewSubstrings(literals), newBeginnings(s.regexes)
		c.searches = append(c.searches, s)
	}
	if len(bareGlobs) > 0 {
		c.searches = append(c.searches, newGlobSearch(at, bareGlobs))
	}
	if len(bareRegexes) > 0 {
		c.searches = append(c.searches, &regexSearch{at, bareRegexes})
	}
}
