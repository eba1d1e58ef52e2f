package match

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/disguise"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/pattern"
	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/internal/text/token"
	"github.com/sluicehq/sluice/pipeline"
)

// Limits of what costs time on every post, or much memory, in one step.
const (
	maxRegexes      = 10_000
	maxInstructions = 1_000_000 // of all expressions
	maxBareRegexes  = 16        // expressions without a literal, run on every post
	maxBareGlobs    = 1000      // wildcards without a literal, tried on many words
	minPrefix       = 2         // bytes
	maxTold         = 10        // mistakes of one list
)

// compiler fills a plan.
type compiler struct {
	*plan
	bc         pipeline.BuildContext
	in         *arrow.Schema
	targets    map[target]*builder
	order      []*builder
	languageOf map[string]uint16

	tokens       token.Tokens
	scratch      []byte
	running      string            // name of the list that is compiled
	seen         map[string]uint32 // terms of the running list but for whole ones, by what tells duplicates
	regexes      int
	instructions int
	bareRegexes  int
	bareGlobs    int
	disguised    *disguise.Builder // nil until a term is looked for in disguise
}

// builder collects the terms of one target.
type builder struct {
	from
	words    *terms.Builder
	prefixes []string
	globs    []globTerm
	subs     []string
	regexes  []regexTerm
	urls     []string

	prefixTerms, subTerms, urlTerms []uint32
	prefixTags                      []bool
}

// add compiles one list.
func (c *compiler) add(name string, l *List) error {
	if err := c.columns(target{l.on(), searched(l.view())}); err != nil {
		err = fmt.Errorf("match: list %q: %w", name, err)
		if l.on() != pipeline.ColText {
			return &pipeline.FieldError{Path: "lists." + name + ".on", Err: err}
		}
		return err
	}
	parts, err := readList(c.bc.Files, c.bc.Logger, name, l)
	if err != nil {
		return err
	}
	done := compiled{name: name, path: l.Path, view: l.view(), on: l.on(), version: versionOf(l, parts)}
	if len(l.Terms) > 0 {
		done.path = "" // the file alone is not the list: see pipeline.MetaListPrefix
	}
	c.running, c.seen = name, map[string]uint32{}
	first := uint32(len(c.terms))
	var errs []error
	for _, p := range parts {
		languages, err := c.languagesOf(p)
		if err != nil {
			return err
		}
		errs = append(errs, c.part(p, &done, first, languages))
	}
	c.lists = append(c.lists, done)
	return errors.Join(errs...)
}

// part compiles the terms of one source. Its error is of the first mistakes, in
// the order of their lines.
func (c *compiler) part(p part, done *compiled, first uint32, languages []uint16) error {
	type mistake struct {
		line int
		err  error
	}
	var all []mistake
	for _, e := range p.errs {
		all = append(all, mistake{e.Line, e})
	}
	for i := range p.Entries {
		e := &p.Entries[i]
		if err := c.entry(p, e, done, first, languages); err != nil {
			if all = append(all, mistake{int(e.Line), fmt.Errorf("term %q: %w", e.Term, err)}); len(all) >= len(p.errs)+maxTold {
				break
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, m := range all {
		errs = append(errs, p.fail(m.line, "%w", m.err))
	}
	return errors.Join(errs...)
}

// languagesOf numbers the languages of a list.
func (c *compiler) languagesOf(p part) ([]uint16, error) {
	out := make([]uint16, len(p.Languages))
	for i, l := range p.Languages {
		n, ok := c.languageOf[l]
		if !ok {
			if n = uint16(len(c.languages)); int(n) != len(c.languages) {
				return nil, p.fail(0, "too many languages in all lists")
			}
			c.languageOf[l], c.languages = n, append(c.languages, l)
		}
		out[i] = n
	}
	if len(p.Languages) > 1 && c.language < 0 {
		at, err := c.languageColumn()
		if err != nil {
			return nil, p.fail(0, "it has languages, and %w", err)
		}
		c.language = at
	}
	return out, nil
}

// languageColumn returns the column of the posts' languages: what a language
// step says, or else the platform.
func (c *compiler) languageColumn() (int, error) {
	if c.in.HasField(pipeline.ColLanguage) {
		return pipeline.Column(c.in, pipeline.ColLanguage, arrow.BinaryTypes.String)
	}
	return pipeline.Column(c.in, pipeline.ColLang, arrow.BinaryTypes.String)
}

// entry compiles one term.
func (c *compiler) entry(p part, e *termlist.Entry, done *compiled, first uint32, languages []uint16) error {
	t := term{
		text: e.Term, note: e.Note, weight: e.Weight, line: e.Line, match: e.Match, view: e.View,
		list: uint16(len(c.lists)), language: languages[e.Language],
	}
	if t.view == termlist.Unset {
		t.view = done.view
	} else if err := checkView(t.view.String(), done.on); err != nil {
		return err
	}
	to := target{done.on, searched(t.view)}
	if err := c.columns(to); err != nil {
		return err
	}
	c.terms = append(c.terms, t)
	same, err := c.compile(c.target(to), e, first)
	if err == nil && same < 0 && disguises(t.view) && e.Match == termlist.Whole {
		c.disguise(uint32(len(c.terms) - 1))
	}
	if err != nil || same >= 0 {
		c.terms = c.terms[:len(c.terms)-1]
	}
	switch {
	case err != nil:
		return err
	case same >= 0:
		if done.duplicates++; done.duplicates == 1 {
			c.bc.Logger.Warn("match: a term is the same as an earlier one of its list, ignored; so are all further ones",
				"list", done.name, "path", p.path, "line", e.Line, "term", e.Term, "same_as", c.terms[same].text)
		}
	default:
		done.terms[e.Match]++
	}
	return nil
}

// target returns the builder of a target, whose columns are there.
func (c *compiler) target(to target) *builder {
	b := c.targets[to]
	if b == nil {
		b = &builder{from: from{target: to}, words: terms.NewBuilder()}
		b.column = c.in.FieldIndices(to.on)[0]
		b.list = c.in.Field(b.column).Type.ID() == arrow.LIST
		c.targets[to], c.order = b, append(c.order, b)
	}
	return b
}

// compile adds the last term of the plan to a target. It returns the number of
// an equal term of the list, which begins at term first, and adds nothing then;
// or -1.
func (c *compiler) compile(b *builder, e *termlist.Entry, first uint32) (same int, err error) {
	id := uint32(len(c.terms) - 1)
	if e.Match == termlist.Whole {
		return c.whole(b, e, id, first)
	}
	body := []byte(e.Body())
	if e.Match != termlist.Regex && e.Match != termlist.URL {
		if body = c.view(b, body); len(body) == 0 {
			return -1, errors.New("nothing is left of it when it is folded and without its mark; delete the line")
		}
	}
	key := c.key(b, e.Match, c.terms[id].language, body)
	if same, ok := c.seen[key]; ok {
		return int(same), nil
	}
	switch e.Match {
	case termlist.Prefix:
		err = c.prefix(b, string(body), id)
	case termlist.Wildcard:
		err = c.glob(b, string(body), id)
	case termlist.Substring:
		if len(body) < pattern.MinSubstring {
			return -1, fmt.Errorf("%d bytes when folded; a substring has at least %d, or it is in most posts: make it longer, or a whole word", len(body), pattern.MinSubstring)
		}
		b.subs, b.subTerms = append(b.subs, string(body)), append(b.subTerms, id)
	case termlist.Regex:
		err = c.regex(b, e.Body(), id)
	case termlist.URL:
		u := pattern.AppendURL(nil, body)
		if b.view != termlist.Raw {
			u = fold.Append(nil, u)
		}
		if len(u) == 0 {
			return -1, errors.New("no host in it; write it as example.com or example.com/path")
		}
		b.urls, b.urlTerms, b.tokens = append(b.urls, string(u)), append(b.urlTerms, id), true
	}
	if err == nil {
		c.seen[key] = id
	}
	return -1, err
}

// key is what tells duplicates in a list.
func (c *compiler) key(b *builder, m termlist.Match, language uint16, body []byte) string {
	return string(append([]byte{byte(m), byte(b.view), byte(language), byte(language >> 8)}, body...))
}

// view returns text in the view of a target, valid until the next call.
func (c *compiler) view(b *builder, text []byte) []byte {
	if b.on == pipeline.ColHashtags {
		if bytes.HasPrefix(text, []byte(`\#`)) { // of a wildcard
			text = text[1:]
		}
		text = bytes.TrimPrefix(text, []byte("#"))
	}
	if b.view == termlist.Raw {
		return text
	}
	c.scratch = fold.Append(c.scratch[:0], text)
	if b.on == pipeline.ColURLDomains {
		return []byte(token.DecodeLabels(string(c.scratch))) // as the column has them
	}
	return c.scratch
}

// whole adds a term of whole words.
func (c *compiler) whole(b *builder, e *termlist.Entry, id, first uint32) (same int, err error) {
	body := c.view(b, []byte(e.Term))
	add := func(since uint32) (int, error) { return b.words.Add(id, since, &c.tokens, body) }
	if b.on == pipeline.ColText {
		b.tokens = true
		c.tokens.Reset()
		c.tokens.Append(body, 0, len(body))
	} else {
		if len(body) == 0 {
			return -1, errors.New("nothing is left of it when it is folded; delete the line")
		}
		add = func(since uint32) (int, error) { return b.words.AddWhole(id, since, body) }
	}
	if same, err = add(first); err != nil {
		return -1, err
	}
	if same < 0 || c.terms[same].language == c.terms[id].language {
		return same, nil
	}
	// Equal words of another language: no duplicate, unless there are others.
	earlier := c.key(b, e.Match, c.terms[same].language, body)
	if _, ok := c.seen[earlier]; !ok {
		c.seen[earlier] = uint32(same)
	}
	key := c.key(b, e.Match, c.terms[id].language, body)
	if same, ok := c.seen[key]; ok {
		return int(same), nil
	}
	c.seen[key] = id
	return add(id)
}

// word checks that s, with marks of wildcards taken for letters, is a single word
// or hashtag, and reports whether it is a hashtag.
func (c *compiler) word(b *builder, s string) (tag bool, err error) {
	b.tokens = true
	if b.on != pipeline.ColText {
		return false, nil
	}
	in := []byte(s)
	c.tokens.Reset()
	c.tokens.Append(in, 0, len(in))
	if c.tokens.Len() == 1 && int(c.tokens.End[0]) == len(in) {
		switch start, kind := c.tokens.Start[0], c.tokens.Kind[0]; {
		case kind == text.Hashtag && start == 1:
			return true, nil
		case (kind == text.Word || kind == text.Number) && start == 0:
			return false, nil
		}
	}
	if slices.Contains(c.tokens.Kind, text.Bigram) {
		return false, errors.New("'*' and '?' are for words, and this script has no spaces between them: without marks it is found anywhere")
	}
	return false, errors.New(`'*' and '?' are for single words; write "\*" or "\?" for the mark itself, or use match: regex`)
}

func (c *compiler) prefix(b *builder, s string, id uint32) error {
	tag, err := c.word(b, s)
	if err != nil {
		return err
	}
	if tag {
		s = s[1:]
	}
	switch {
	case len(s) < minPrefix:
		return fmt.Errorf("a prefix has at least %d letters, or it is in every post", minPrefix)
	case len(s) > pattern.MaxGlob:
		return fmt.Errorf("a prefix of %d bytes; the longest is %d: cut it", len(s), pattern.MaxGlob)
	}
	b.prefixes, b.prefixTerms, b.prefixTags = append(b.prefixes, s), append(b.prefixTerms, id), append(b.prefixTags, tag)
	return nil
}

func (c *compiler) glob(b *builder, s string, id uint32) error {
	tag, err := c.word(b, strings.NewReplacer(`\\`, "a", `\*`, "*", `\?`, "?", `\#`, "#", "*", "a", "?", "a").Replace(s))
	if err != nil {
		return err
	}
	if tag {
		s = strings.TrimPrefix(strings.TrimPrefix(s, `\`), "#")
	}
	g, err := pattern.NewGlob(s)
	if err != nil {
		return err
	}
	if len(g.Literal()) < pattern.MinSubstring {
		if c.bareGlobs++; c.bareGlobs > maxBareGlobs {
			return fmt.Errorf("the %dth wildcard without %d letters in a row, and each is tried on many words: give it more letters, or use match: regex", c.bareGlobs, pattern.MinSubstring)
		}
	}
	b.globs = append(b.globs, globTerm{g, id, tag})
	return nil
}

func (c *compiler) regex(b *builder, expr string, id uint32) error {
	r, err := pattern.NewRegex(expr, b.view != termlist.Raw)
	if err != nil {
		var inSyntax *syntax.Error
		if errors.As(err, &inSyntax) {
			err = fmt.Errorf("%w; see https://golang.org/s/re2syntax", err)
		}
		return err
	}
	c.regexes++
	c.instructions += r.Size()
	if c.regexes > maxRegexes || c.instructions > maxInstructions {
		return fmt.Errorf("too many expressions: %d of %d instructions, and at most %d of %d are allowed", c.regexes, c.instructions, maxRegexes, maxInstructions)
	}
	if len(r.Literals()) == 0 {
		if c.bareRegexes++; c.bareRegexes > maxBareRegexes {
			return fmt.Errorf("the %dth expression that needs no %d letters in a row, so that it runs on every post: give it such letters", c.bareRegexes, pattern.MinSubstring)
		}
		c.bc.Logger.Warn("match: an expression needs no three letters in a row, so it runs on every post, which is slow", "list", c.running, "line", c.terms[id].line, "term", expr)
	}
	b.regexes = append(b.regexes, regexTerm{r, id})
	return nil
}
