// Package match is the operator that finds the terms of lists in posts.
package match

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluicehq/sluice/pipeline"
)

// The views that a list can name.
const (
	viewRaw      = "raw"
	viewFolded   = "folded"
	viewSkeleton = "skeleton"
	viewSqueezed = "squeezed"
)

// maxLists bounds the lists of one step; each is a column of the output.
const maxLists = 1024

// Config is the operator's config.
type Config struct {
	Lists map[string]List `koanf:"lists" doc:"term lists by name; match.<name> is the number of hits of a list in rules"`
}

// List is one term list.
type List struct {
	Path  string   `koanf:"path" doc:"file of terms: .csv with a column term, or text with one term a line and # comments"`
	Terms []string `koanf:"terms" doc:"further terms, written here"`
	View  string   `koanf:"view" doc:"folded (default): terms and posts are folded first; skeleton: look-alike letters are undone too; squeezed: and digits for letters, repeats, letters spaced apart or masked; raw: compared byte for byte"`
	On    string   `koanf:"on" doc:"text (default), or a column of strings of which a value must equal a term: url_domains (or be below it), hashtags, author_handle, ..."`
}

// view returns the view with its default.
func (l *List) view() string {
	if l.View == "" {
		return viewFolded
	}
	return l.View
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
		if v := l.view(); v != viewFolded && v != viewRaw && !disguises(v) {
			fail(".view", "no view is called %q: use %q, %q, %q or %q", v, viewFolded, viewSkeleton, viewSqueezed, viewRaw)
		} else if disguises(v) && l.on() != pipeline.ColText {
			fail(".view", "the view %q is one of the text, not of %q: use %q", v, l.on(), viewFolded)
		}
	}
	return errors.Join(errs...)
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
