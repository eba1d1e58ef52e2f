package hashbank

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/termlist"
)

// MaxHash is the most bytes of a hash as a bank writes it.
const MaxHash = 256

const maxNote = 1 << 10

// Entry is one hash of a bank, as its file writes it.
type Entry struct {
	Hash     string // without the mark of a negative entry
	Note     string
	Weight   float32 // 1 where none is given
	Line     int32   // in the file, from 1
	Distance int16   // in bits; -1 where none is given
	Negative bool    // values near it are no hits
}

var format = listfile.Format{
	List:    "bank",
	Entry:   "hash",
	Columns: []string{"hash", "weight", "distance", "negative", "note"},
}

// Parse reads the file of a bank by the ending of its name: .csv with the column
// hash and perhaps weight, distance, negative and note; .yaml or .yml, a list of
// hashes or of maps with these keys; or else one hash a line, with '!' before a
// negative one and lines of '#' as comments. What a hash is, is up to the
// caller. An error is of type [listfile.Errors].
func Parse(name string, data []byte) ([]Entry, error) {
	p := &parser{}
	if !utf8.Valid(data) {
		p.errs.Fail(0, "the file is not UTF-8; convert it")
	} else {
		listfile.Read(name, data, format, p)
	}
	return p.entries, p.errs.Err()
}

// FromLines makes entries of hashes that stand in a config, written as in a file
// of one hash a line; the line of an entry is its place, from 1.
func FromLines(lines []string) ([]Entry, error) {
	p := &parser{}
	for i, s := range lines {
		p.Value(i+1, s)
	}
	return p.entries, p.errs.Err()
}

type parser struct {
	entries []Entry
	errs    listfile.Errors
}

// Ignore implements [listfile.Handler]: other columns are for people and other
// tools.
func (p *parser) Ignore(string) {}

// Fail implements [listfile.Handler].
func (p *parser) Fail(line int, format string, args ...any) { p.errs.Fail(line, format, args...) }

// Full implements [listfile.Handler].
func (p *parser) Full() bool { return p.errs.Many() || len(p.entries) > MaxEntries }

// Line implements [listfile.Handler].
func (p *parser) Line(n int, s string) {
	if s[0] != '#' {
		p.Value(n, s)
	}
}

// Value implements [listfile.Handler].
func (p *parser) Value(line int, s string) {
	hash, negative := strings.CutPrefix(strings.TrimSpace(s), "!")
	r := []string{hash, "", "", "", ""}
	if negative {
		r[3] = "true"
	}
	p.Row(line, r)
}

// Row implements [listfile.Handler].
func (p *parser) Row(line int, r []string) {
	if p.Full() {
		return
	}
	// Of strings that share memory, those that are kept are copied.
	e := Entry{Hash: strings.Clone(strings.TrimSpace(r[0])), Note: strings.Clone(strings.TrimSpace(r[4])), Weight: 1, Line: int32(line), Distance: -1}
	before := len(p.errs)
	switch {
	case e.Hash == "":
		p.errs.Fail(line, "no hash; delete the line, or write one")
	case len(e.Hash) > MaxHash:
		p.errs.Fail(line, "a hash of %d characters; the longest is %d", len(e.Hash), MaxHash)
	case len(e.Note) > maxNote:
		p.errs.Fail(line, "a note of %d bytes; the longest is %d: cut it", len(e.Note), maxNote)
	}
	if r[1] != "" {
		w, err := strconv.ParseFloat(strings.TrimSpace(r[1]), 32)
		if err != nil || !(w >= -termlist.MaxWeight && w <= termlist.MaxWeight) {
			p.errs.Fail(line, "the weight %.40q is not a number from %g to %g", r[1], -termlist.MaxWeight, termlist.MaxWeight)
		}
		e.Weight = float32(w)
	}
	if r[2] != "" {
		d, err := strconv.ParseUint(r[2], 10, 8)
		if err != nil {
			p.errs.Fail(line, "the distance %.40q is not a number of bits, such as 3", r[2])
		}
		e.Distance = int16(d)
	}
	switch strings.ToLower(r[3]) {
	case "", "false", "no", "0":
	case "true", "yes", "1":
		e.Negative = true
	default:
		p.errs.Fail(line, "negative is %.40q: write true or false", r[3])
	}
	if len(p.errs) > before {
		return
	}
	if p.entries = append(p.entries, e); len(p.entries) > MaxEntries {
		p.errs.Fail(line, "more than %d hashes: split the bank over several lists", MaxEntries)
	}
}
