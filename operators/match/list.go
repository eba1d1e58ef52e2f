package match

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/terms"
	"github.com/sluicehq/sluice/pipeline"
)

// maxFile bounds a list's file.
const maxFile = 256 << 20

// entry is a term as a list writes it, and where that is.
type entry struct {
	term string
	line int // in the file, from 1; for terms in the config their place from 1
}

// source is where a list's entries come from, for messages.
type source struct{ list, path, field string }

// fail returns an error at a line of the source: with the list, the place and
// what to do, under the config's field.
func (s source) fail(line int, format string, args ...any) error {
	place := s.path
	if place == "" {
		place = "terms"
	}
	if line > 0 {
		place = fmt.Sprintf("%s:%d", place, line)
	}
	return &pipeline.FieldError{
		Path: s.field,
		Err:  fmt.Errorf("match: list %q (%s): %w", s.list, place, fmt.Errorf(format, args...)),
	}
}

// readList returns the entries of one list: those of the file, then those that
// the config has. The second result is the source of the entries from the
// config, which are the last len(l.Terms) ones.
func readList(files pipeline.Files, name string, l *List) (entries []entry, file, inline source, err error) {
	file = source{list: name, path: l.Path, field: "lists." + name + ".path"}
	inline = source{list: name, field: "lists." + name + ".terms"}
	if l.Path != "" {
		data, err := files.ReadFile(l.Path)
		if err != nil {
			return nil, file, inline, file.fail(0, "%w", err)
		}
		if entries, err = parse(file, data); err != nil {
			return nil, file, inline, err
		}
		if len(entries) == 0 {
			return nil, file, inline, file.fail(0, "no terms in it; add one or delete the list")
		}
	}
	for i, t := range l.Terms {
		e, err := check(inline, entry{term: t, line: i + 1})
		if err != nil {
			return nil, file, inline, err
		}
		entries = append(entries, e)
	}
	return entries, file, inline, nil
}

// parse reads a file of terms.
func parse(src source, data []byte) ([]entry, error) {
	if len(data) > maxFile {
		return nil, src.fail(0, "%d bytes; a list has at most %d: split it", len(data), maxFile)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if strings.EqualFold(path.Ext(src.path), ".csv") {
		return parseCSV(src, data)
	}
	return parseText(src, data)
}

// parseText reads one term a line. Blank lines are skipped, and comments: '#'
// and a blank or another mark. "\#word" is the hashtag; "#word" is refused,
// since it may be a hashtag, a comment or a term that was switched off.
func parseText(src source, data []byte) ([]entry, error) {
	var out []entry
	line := 0
	for raw := range bytes.Lines(data) {
		line++
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 {
			continue
		}
		if raw[0] == '#' {
			if r, _ := utf8.DecodeRune(raw[1:]); len(raw) > 1 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return nil, src.fail(line, `%.40q is a comment or a hashtag; write "# ..." for a comment, "\#..." for a hashtag`, raw)
			}
			continue
		}
		if bytes.HasPrefix(raw, []byte(`\#`)) {
			raw = raw[1:]
		}
		e, err := check(src, entry{term: string(raw), line: line})
		if err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) > terms.MaxTerms {
			return nil, src.fail(line, "more than %d terms: split the list over several pipelines", terms.MaxTerms)
		}
	}
	return out, nil
}

// parseCSV reads the column term of a file with a header. Other columns
// (weight, language, note) are for people and other tools.
func parseCSV(src source, data []byte) ([]entry, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, src.csv(err)
	}
	column := -1
	for i, h := range header {
		if strings.EqualFold(strings.TrimSpace(h), "term") {
			column = i
		}
	}
	if column < 0 {
		return nil, src.fail(1, "no column \"term\" in the header %q; name the column of the terms so, or use a .txt file", strings.Join(header, ","))
	}
	var out []entry
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, src.csv(err)
		}
		line, _ := r.FieldPos(0)
		if column >= len(rec) {
			return nil, src.fail(line, "%d fields, but the column term is number %d; add the missing commas", len(rec), column+1)
		}
		e, err := check(src, entry{term: strings.Clone(strings.TrimSpace(rec[column])), line: line})
		if err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) > terms.MaxTerms {
			return nil, src.fail(line, "more than %d terms: split the list over several pipelines", terms.MaxTerms)
		}
	}
}

// csv turns an error of the CSV reader into ours, with its line.
func (s source) csv(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return s.fail(p.Line, "%w; quote fields that hold quotes or commas", p.Err)
	}
	return s.fail(0, "%w", err)
}

// check refuses what cannot be a term.
func check(src source, e entry) (entry, error) {
	switch {
	case strings.TrimSpace(e.term) == "":
		return e, src.fail(e.line, "empty term; delete the line or quote a blank")
	case len(e.term) > terms.MaxLength:
		return e, src.fail(e.line, "a term of %d bytes; the longest is %d: cut it", len(e.term), terms.MaxLength)
	case !utf8.ValidString(e.term):
		return e, src.fail(e.line, "the term %q is not UTF-8; convert the file", e.term)
	}
	return e, nil
}
