// Package match is the operator that finds the terms of lists in posts.
package match

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/pipeline"
)

// maxLists bounds the lists of one step; each is two columns of the output.
const maxLists = 1024

// Config is the operator's config.
type Config struct {
	Lists map[string]List `koanf:"lists" doc:"term lists by name; match.<name> is the number of hits of a list in rules, weight.<name> the sum of their weights"`
}

// List is one term list.
type List struct {
	Path  string   `koanf:"path" doc:"file of terms: .csv with a column term, .yaml with a list of strings or maps, or text with one term a line and # comments"`
	Terms []string `koanf:"terms" doc:"further terms, written here"`
	View  string   `koanf:"view" doc:"folded (default): terms and posts are folded first; skeleton: look-alike letters are undone too; squeezed: and digits for letters, repeats, letters spaced apart or masked; raw: compared byte for byte. A term's own view goes before it"`
	Match string   `koanf:"match" doc:"of terms that name none: whole, prefix, wildcard, substring, regex or url. Default: the marks in the term tell, else whole; url on the column urls"`
	On    string   `koanf:"on" doc:"text (default), or a column of strings of which a value must match a term: url_domains (or be below it), urls, hashtags, author_handle, ...; or a column of hashes, which makes the list a bank of them: text_hash, simhash, media_hashes"`
	// Distance is nil where none is given.
	Distance *int `koanf:"distance" doc:"of a bank of hashes, the bits in which a value may differ from an entry that gives no distance of its own: 0 to 7 on simhash (default 3), 0 to 31 on media_hashes (default 31, for PDQ)"`
}

// view returns the view with its default; Validate has checked it.
func (l *List) view() termlist.View {
	if v, err := termlist.ParseView(l.View); err == nil {
		return v
	}
	return termlist.Folded
}

// byDefault returns the match of terms that name none; nil where marks tell it.
func (l *List) byDefault() *termlist.Match {
	m, err := termlist.ParseMatch(l.Match)
	switch {
	case err == nil:
		return &m
	case l.on() == pipeline.ColURLs:
		m = termlist.URL
		return &m
	}
	return nil
}

// on returns the column with its default.
func (l *List) on() string {
	if l.On == "" {
		return pipeline.ColText
	}
	return l.On
}

// Validate checks what can be checked without files and schema.
func (c *Config) Validate() error {
	if len(c.Lists) == 0 {
		return &pipeline.FieldError{Path: "lists", Err: errors.New("no list: give at least one, such as lists: { spam: { path: lists/spam.csv } }")}
	}
	if len(c.Lists) > maxLists {
		return &pipeline.FieldError{Path: "lists", Err: fmt.Errorf("%d lists: one step has at most %d", len(c.Lists), maxLists)}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Lists)) {
		l := c.Lists[name]
		fail := func(field, format string, args ...any) {
			errs = append(errs, &pipeline.FieldError{Path: "lists." + name + field, Err: fmt.Errorf(format, args...)})
		}
		if !isName(name) {
			fail("", "the name %q does not fit into rules: use a lower-case letter, then letters, digits and '_', at most 64", name)
		}
		if l.Path == "" && len(l.Terms) == 0 {
			fail("", "the list has no terms: give path or terms")
		}
		if l.View != "" {
			if err := checkView(l.View, l.on()); err != nil {
				fail(".view", "%w", err)
			}
		}
		if l.Match != "" {
			if _, err := termlist.ParseMatch(l.Match); err != nil {
				fail(".match", "%w", err)
			}
		}
		l.validateBank(fail)
	}
	return errors.Join(errs...)
}

// checkView refuses what is no view of a column.
func checkView(name, on string) error {
	v, err := termlist.ParseView(name)
	if err == nil && disguises(v) && on != pipeline.ColText {
		err = fmt.Errorf("the view %q is one of the text, not of %q: use raw or folded", name, on)
	}
	return err
}

// isName reports whether a list's name is an identifier that rules can use.
func isName(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (i == 0 || b != '_' && (b < '0' || b > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
