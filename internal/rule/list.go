package rule

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/text/cases"

	"github.com/sluicehq/sluice/pipeline"
)

// maxListBytes bounds a list file.
const maxListBytes = 256 << 20

// List is a set of terms, compared without regard to case: both sides are
// folded by Unicode's full case folding (cases.Fold of x/text).
type List struct {
	Name  string
	terms map[string]struct{}
	// noFile marks a list whose terms stand in the match step's config, from
	// where they cannot be had: match.<name> is there and list.<name> is not.
	noFile bool

	read func() (*List, error) // nil for a list that has its terms
	once sync.Once
	err  error
}

// Len returns the number of distinct folded terms.
func (l *List) Len() int { return len(l.terms) }

// NewList makes a list of terms.
func NewList(name string, terms ...string) *List {
	l := &List{Name: name, terms: make(map[string]struct{}, len(terms))}
	f := newFolder()
	for _, t := range terms {
		l.terms[string(f.fold([]byte(t)))] = struct{}{}
	}
	return l
}

// ParseList reads a list file: CSV with a header that has a column "term" if
// the path ends in .csv, else one term a line, where '#' at the beginning of a
// line makes a comment. Blank lines are skipped.
func ParseList(name, path string, data []byte) (*List, error) {
	fail := func(line int, msg string) error {
		return fmt.Errorf("list %q (%s:%d): %s", name, path, line, msg)
	}
	if len(data) > maxListBytes {
		return nil, fail(1, fmt.Sprintf("%d bytes; at most %d are allowed", len(data), maxListBytes))
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := firstInvalid(data); i >= 0 {
		return nil, fail(1+bytes.Count(data[:i], []byte("\n")), "not valid UTF-8")
	}
	if strings.HasSuffix(strings.ToLower(path), ".csv") {
		terms, line, err := csvTerms(data)
		if err != nil {
			return nil, fail(line, err.Error())
		}
		return NewList(name, terms...), nil
	}
	var terms []string
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	line := 0
	for sc.Scan() {
		line++
		if t := strings.TrimSpace(sc.Text()); t != "" && t[0] != '#' {
			if strings.HasPrefix(t, `\#`) { // a hashtag, not a comment
				t = t[1:]
			}
			terms = append(terms, t)
		}
	}
	if sc.Err() != nil {
		return nil, fail(line+1, "a line of more than 1 MiB")
	}
	return NewList(name, terms...), nil
}

func csvTerms(data []byte) (terms []string, line int, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	col := -1
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) && col >= 0 {
			return terms, 0, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, 1, errors.New(`no header; the first line names the columns, one of them "term"`)
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			return nil, pe.Line, pe.Err
		}
		line, _ = r.FieldPos(0)
		if col < 0 {
			if col = slices.IndexFunc(rec, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), "term") }); col < 0 {
				return nil, line, fmt.Errorf("the header has no column \"term\" (it has %s)", clip(strings.Join(rec, ", "), 200))
			}
			continue
		}
		if col >= len(rec) {
			return nil, line, fmt.Errorf("%d columns; the column \"term\" is number %d", len(rec), col+1)
		}
		if t := strings.TrimSpace(rec[col]); t != "" {
			terms = append(terms, strings.Clone(t))
		}
	}
}

// firstInvalid returns the offset of the first byte that is not UTF-8, or -1.
func firstInvalid(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

// ListPaths returns the lists that upstream steps announce in the schema's
// metadata: name to path.
func ListPaths(schema *arrow.Schema) map[string]string {
	out := map[string]string{}
	md := schema.Metadata()
	for i, k := range md.Keys() {
		if name, ok := strings.CutPrefix(k, pipeline.MetaListPrefix); ok && name != "" {
			out[name] = md.Values()[i]
		}
	}
	return out
}

// folder folds text for look-ups in lists. It is scratch of one goroutine.
type folder struct {
	caser cases.Caser
	buf   []byte
}

func newFolder() *folder { return &folder{caser: cases.Fold()} }

// fold returns s case-folded: s itself if it is lower-case ASCII, else memory
// that the next call overwrites.
func (f *folder) fold(s []byte) []byte {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	if cap(f.buf) < 3*len(s)+16 { // one byte folds to three at most
		f.buf = make([]byte, 3*len(s)+64)
	}
	f.buf = f.buf[:cap(f.buf)]
	f.caser.Reset()
	n, _, err := f.caser.Transform(f.buf, s, true)
	if err != nil {
		return append(f.buf[:0], f.caser.String(string(s))...)
	}
	return f.buf[:n]
}

// Lists returns the lists that the schema announces. A list's file is read when
// a condition that says list.<name> is compiled: a list may hold a million
// terms, and most stand in match.<list> only.
func Lists(files Files, schema *arrow.Schema) []*List {
	paths := ListPaths(schema)
	var out []*List
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		path := paths[name]
		l := &List{Name: name, noFile: path == ""}
		l.read = func() (*List, error) {
			data, err := files.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("list %q: %w", name, err)
			}
			return ParseList(name, path, data)
		}
		out = append(out, l)
	}
	return out
}

// load reads the list's file, once.
func (l *List) load() error {
	if l.read == nil {
		return nil
	}
	l.once.Do(func() {
		var full *List
		if full, l.err = l.read(); l.err == nil {
			l.terms = full.terms
		}
	})
	return l.err
}
