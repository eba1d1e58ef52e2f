package match

import (
	"math"
	"strconv"
	"strings"

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
