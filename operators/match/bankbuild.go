package match

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/hashbank"
	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/pipeline"
)

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
		var mistakes listfile.Errors
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
