package match

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/hashbank"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/pipeline"
)

// bankDoc is the part of the documentation that tells of banks.
const bankDoc = `

#### Banks of hashes

A list on ` + "`text_hash`, `simhash` or `media_hashes`" + ` is a bank of hashes. Its file is a ` + "`.csv`" + ` with the column ` + "`hash`" + `
and any of ` + "`weight`, `distance`, `negative`, `note`" + `, a ` + "`.yaml`" + ` list of hashes or of maps with these keys, or text with a hash a line.

| on | a hash is written | and compared |
|---|---|---|
| ` + "`text_hash`" + ` | as a number, decimal as SQL shows it or behind ` + "`0x`" + ` | exactly |
| ` + "`simhash`" + ` | so too | within ` + "`distance`" + ` bits, 0 to 7, by default 3 |
| ` + "`media_hashes`" + ` | ` + "`pdq:`" + ` and 64 hexadecimal digits | within ` + "`distance`" + ` bits, 0 to 31, by default 31 |
| ` + "`media_hashes`" + ` | another name, such as ` + "`md5:` or `sha256:`" + `, and hexadecimal digits | exactly, but for case |

An entry's own distance goes before that of the list. A value hits the nearest entry of a list, the first of several: ` + "`hits.term`" + ` is the
entry's hash and ` + "`hits.disguise`" + ` the distance, such as ` + "`distance=2`" + `, or empty for an equal hash. A **negative** entry
(` + "`negative: true`, or `!`" + ` before the hash in text) excepts what is known to be harmless: a value within its distance does not hit the
list, however near another entry is. SimHash is unsteady for short posts: give entries of fewer than 10 words the distance 0.
`

// Default distances of banks, in bits: near copies of a text of some length, and
// what PDQ's authors hold to be the same image.
const (
	nearText  = 3
	nearImage = hashbank.MaxDistance256
)

// pdq begins a PDQ hash in the column media_hashes and in banks; 64 hexadecimal
// digits are behind it.
const pdq = "pdq:"

// bankDistance returns the most and the default distance of a list that is a
// bank of hashes, which its column tells.
func (l *List) bankDistance() (most, byDefault int, isBank bool) {
	switch l.on() {
	case pipeline.ColTextHash:
		return 0, 0, true
	case pipeline.ColSimHash:
		return hashbank.MaxDistance64, nearText, true
	case pipeline.ColMediaHashes:
		return hashbank.MaxDistance256, nearImage, true
	}
	return 0, 0, false
}

// validateBank checks the fields that banks and lists of terms do not share.
func (l *List) validateBank(fail func(field, format string, args ...any)) {
	most, _, isBank := l.bankDistance()
	switch {
	case !isBank && l.Distance != nil:
		fail(".distance", "a distance is for hashes: delete it, or set on to %s or %s", pipeline.ColSimHash, pipeline.ColMediaHashes)
	case isBank && l.Distance != nil && (*l.Distance < 0 || *l.Distance > most):
		if most == 0 {
			fail(".distance", "%s is compared exactly: delete it, or set on to %s", l.on(), pipeline.ColSimHash)
		} else {
			fail(".distance", "%d bits is out of range: use 0 to %d on %s", *l.Distance, most, l.on())
		}
	}
	if isBank && l.View != "" {
		fail(".view", "hashes have no view: delete it")
	}
	if isBank && l.Match != "" {
		fail(".match", "hashes are compared by their distance: delete it")
	}
}

// bankSearch is one bank, compiled.
type bankSearch struct {
	column int
	words  int // of a hash: 1 in a column of Uint64, 4 in one of strings
	terms  []uint32
	near   *hashbank.Index   // positive entries; entry i is terms[i]
	except *hashbank.Index   // negative ones
	exact  map[string]uint32 // other hashes of media: the term, or negative
}

// negative is the term of an exact hash that is a negative entry.
const negative = math.MaxUint32

func (s *bankSearch) finder() finder { return &bankFinder{bankSearch: s} }

type bankFinder struct {
	*bankSearch
	scratch hashbank.Scratch
	hash    [4]uint64
	lower   []byte
}

func (f *bankFinder) find(b *batch) {
	col := b.rec.Column(f.column)
	if f.words == 1 {
		for i, h := range col.(*array.Uint64).Uint64Values() {
			if h == 0 { // a post of no tokens
				continue
			}
			f.hash[0] = h
			f.nearest(b, int32(i))
		}
		return
	}
	rows, child := column.ViewList(col)
	texts := column.ViewStrings(child)
	for i := range len(rows) - 1 {
		for j := rows[i]; j < rows[i+1]; j++ {
			f.media(b, int32(i), texts.At(int(j)))
		}
	}
}

// media looks up one hash of a medium.
func (f *bankFinder) media(b *batch, row int32, value []byte) {
	if parsePDQ(f.hash[:], value) {
		f.nearest(b, row)
		return
	}
	if len(f.exact) == 0 || len(value) > hashbank.MaxHash {
		return
	}
	f.lower = lower(f.lower[:0], value)
	if term, ok := f.exact[string(f.lower)]; ok && term != negative {
		b.add(hit{row: row, term: term, view: termlist.Raw})
	}
}

// nearest adds the nearest entry to f.hash, unless a negative entry is near.
func (f *bankFinder) nearest(b *batch, row int32) {
	m, ok := f.near.Nearest(&f.scratch, f.hash[:f.words])
	if !ok {
		return
	}
	if _, excepted := f.except.Nearest(&f.scratch, f.hash[:f.words]); !excepted {
		b.add(hit{row: row, term: f.terms[m.Entry], view: termlist.Raw, disguise: distances[m.Distance]})
	}
}

// distances are what hits.disguise says of a hash that differs.
var distances = func() (s [hashbank.MaxDistance256 + 1]string) {
	for d := 1; d < len(s); d++ {
		s[d] = "distance=" + strconv.Itoa(d)
	}
	return s
}()

// parsePDQ reads a PDQ hash into 4 words, and reports whether s is one.
func parsePDQ[T string | []byte](dst []uint64, s T) bool {
	if len(s) != len(pdq)+64 || string(s[:len(pdq)]) != pdq {
		return false
	}
	for w := range dst[:4] {
		var h uint64
		for _, c := range []byte(s[len(pdq)+16*w:][:16]) {
			d := digit[c]
			if d > 15 {
				return false
			}
			h = h<<4 | uint64(d)
		}
		dst[w] = h
	}
	return true
}

// digit is the value of a hexadecimal digit, 255 for other bytes.
var digit = func() (v [256]uint8) {
	for i := range v {
		v[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		v[c] = uint8(i)
		v[strings.ToUpper(string(c))[0]] = uint8(i)
	}
	return v
}()

// lower appends s with the letters A to Z in lower case.
func lower(dst, s []byte) []byte {
	for _, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// bankBuilder collects the entries of one bank.
type bankBuilder struct {
	bankSearch
	source
	distance, most         int // of an entry that gives none, and at most
	hashes, excepted       []uint64
	limits, exceptedLimits []uint8
	seen                   map[[5]uint64]bool // hashes, by their words and sign
	done                   compiled
	firstSame              *hashbank.Entry
	sha                    hash.Hash // of the entries: the version
}

// bank compiles a list that is a bank of hashes.
func (c *compiler) bank(name string, l *List) error {
	most, distance, _ := l.bankDistance()
	if l.Distance != nil {
		distance = *l.Distance
	}
	dt, words := arrow.DataType(arrow.PrimitiveTypes.Uint64), 1
	if l.on() == pipeline.ColMediaHashes {
		dt, words = pipeline.ListOf(arrow.BinaryTypes.String), 4
	}
	at, err := pipeline.Column(c.in, l.on(), dt)
	if err != nil {
		return &pipeline.FieldError{Path: "lists." + name + ".on", Err: fmt.Errorf("match: list %q: %w", name, err)}
	}
	b := &bankBuilder{
		bankSearch: bankSearch{column: at, words: words, exact: map[string]uint32{}},
		distance:   distance, most: most, seen: map[[5]uint64]bool{}, sha: sha256.New(),
		// The path stays empty: the rules' list.<name> are lists of terms.
		done: compiled{name: name, on: l.on(), view: termlist.Raw, bank: true, distance: distance},
	}
	fmt.Fprintln(b.sha, l.on())
	if err := c.readBank(b, name, l); err != nil {
		return err
	}
	if b.near, err = b.index(b.hashes, b.limits); err != nil {
		return b.fail(0, "%w", err)
	}
	if b.except, err = b.index(b.excepted, b.exceptedLimits); err != nil {
		return b.fail(0, "%w", err)
	}
	b.done.version = hex.EncodeToString(b.sha.Sum(nil)[:8])
	if b.firstSame != nil {
		c.bc.Logger.Warn("match: a hash is the same as an earlier one of its bank, ignored; so are all further ones",
			"list", name, "path", l.Path, "line", b.firstSame.Line, "hash", b.firstSame.Hash)
	}
	c.lists, c.searches = append(c.lists, b.done), append(c.searches, &b.bankSearch)
	return nil
}

// index makes the index of hashes of the bank's width.
func (b *bankBuilder) index(hashes []uint64, limits []uint8) (*hashbank.Index, error) {
	if b.words == 1 {
		return hashbank.New64(hashes, limits)
	}
	return hashbank.New256(hashes, limits)
}

// readBank reads the bank's file and the hashes in the config.
func (c *compiler) readBank(b *bankBuilder, name string, l *List) error {
	var errs []error
	take := func(src source, entries []hashbank.Entry, err error) {
		b.source = src
		var mistakes termlist.Errors
		if errors.As(err, &mistakes) {
			for _, m := range mistakes {
				errs = append(errs, src.fail(m.Line, "%w", m))
			}
			return
		}
		if len(entries) == 0 {
			errs = append(errs, src.fail(0, "no hashes in it; add one or delete the list"))
		}
		told := 0
		for i := range entries {
			if err := c.bankEntry(b, &entries[i]); err != nil {
				errs = append(errs, src.fail(int(entries[i].Line), "hash %.80q: %w", entries[i].Hash, err))
				if told++; told >= maxTold {
					break
				}
			}
		}
	}
	if l.Path != "" {
		src := source{list: name, path: l.Path, field: "lists." + name + ".path"}
		data, err := c.bc.Files.ReadFile(l.Path)
		if err != nil {
			return src.fail(0, "%w", err)
		}
		entries, err := hashbank.Parse(l.Path, data)
		take(src, entries, err)
	}
	if len(l.Terms) > 0 {
		entries, err := hashbank.FromLines(l.Terms)
		take(source{list: name, field: "lists." + name + ".terms"}, entries, err)
	}
	return errors.Join(errs...)
}

// bankEntry adds one entry.
func (c *compiler) bankEntry(b *bankBuilder, e *hashbank.Entry) error {
	var key [5]uint64
	distance, exact := b.distance, ""
	if e.Distance >= 0 {
		if distance = int(e.Distance); distance > b.most {
			return fmt.Errorf("a distance of %d bits; the most on %s is %d", distance, b.done.on, b.most)
		}
	}
	var err error
	switch {
	case b.words == 1:
		key[0], err = parseUint(e.Hash)
	case parsePDQ(key[:], e.Hash):
	default:
		exact, err = mediaHash(e.Hash)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(b.sha, "%q %d %t %g\n", e.Hash, distance, e.Negative, e.Weight)
	id := uint32(negative)
	if !e.Negative {
		id = uint32(len(c.terms))
	}
	if b.same(&key, exact, e) {
		return nil
	}
	switch {
	case exact != "":
		b.exact[exact] = id
	case e.Negative:
		b.excepted, b.exceptedLimits = append(b.excepted, key[:b.words]...), append(b.exceptedLimits, uint8(distance))
	default:
		b.hashes, b.limits = append(b.hashes, key[:b.words]...), append(b.limits, uint8(distance))
		b.terms = append(b.terms, id)
	}
	if e.Negative {
		b.done.negative++
		return nil
	}
	c.terms = append(c.terms, term{
		text: e.Hash, note: e.Note, weight: e.Weight, line: e.Line, list: uint16(len(c.lists)), view: termlist.Raw,
	})
	b.done.terms[termlist.Whole]++
	return nil
}

// same notes an entry, and reports whether an earlier one is the same. Of an
// exact hash that is both positive and negative the negative entry stays.
func (b *bankBuilder) same(key *[5]uint64, exact string, e *hashbank.Entry) bool {
	found := false
	if exact != "" {
		var old uint32
		old, found = b.exact[exact]
		if found && old != negative && e.Negative {
			b.exact[exact] = negative
			b.done.negative++
			return true
		}
	} else {
		if e.Negative {
			key[4] = 1
		}
		found = b.seen[*key]
		b.seen[*key] = true
	}
	if found {
		if b.done.duplicates++; b.firstSame == nil {
			b.firstSame = e
		}
	}
	return found
}

// parseUint reads a 64-bit hash: decimal, as SQL shows it, or hexadecimal behind
// "0x".
func parseUint(s string) (uint64, error) {
	h, err := strconv.ParseUint(s, 10, 64)
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		h, err = strconv.ParseUint(digits, 16, 64)
	}
	switch {
	case err != nil:
		return 0, errors.New(`not a 64-bit number; write it in decimal digits, or in hexadecimal ones behind "0x"`)
	case h == 0:
		return 0, errors.New("0 is the hash of all posts without words; delete the line")
	}
	return h, nil
}

// mediaHash checks a hash of a medium that is not PDQ, and returns it in lower
// case.
func mediaHash(s string) (string, error) {
	s = string(lower(nil, []byte(s)))
	name, digits, ok := strings.Cut(s, ":")
	if !ok || name == "" || digits == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return "", errors.New(`write the name of the hash before it, such as "pdq:" or "md5:"`)
	}
	if name+":" == pdq {
		return "", fmt.Errorf("a PDQ hash has 64 hexadecimal digits, this one %d characters", len(digits))
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", errors.New("not a whole number of bytes in hexadecimal digits")
	}
	return s, nil
}
