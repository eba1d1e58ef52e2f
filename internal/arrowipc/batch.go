package arrowipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Batch is a record batch: the wanted columns, each of Rows rows.
type Batch struct {
	Rows    int
	Columns []Column
}

// Column is a view of a checked column. Numbers are little-endian and not
// aligned.
type Column struct {
	Kind  Kind
	Rows  int
	Nulls int    // exact
	Valid []byte // bitmap, bit set = there is a value; nil when Nulls is 0

	// Values of Int64, Timestamp and Float64 take 8 bytes each; those of Bool are a
	// bitmap. Utf8 has text, which is valid UTF-8 and cut at characters.
	Values []byte
	// Offsets of Utf8 and of Utf8List: Rows+1 numbers of 32 bits that do not go
	// back and do not lead beyond Values or Elements. Nulls may have a length.
	Offsets []byte
	// Elements of Utf8List, which has no nulls among them.
	Elements *Column
}

// Offset returns the i-th offset.
func (c *Column) Offset(i int) int { return int(binary.LittleEndian.Uint32(c.Offsets[4*i:])) }

// Text returns value i of a Utf8 column.
func (c *Column) Text(i int) []byte { return c.Values[c.Offset(i):c.Offset(i+1)] }

// Int64 returns value i of an Int64 or Timestamp column.
func (c *Column) Int64(i int) int64 { return int64(binary.LittleEndian.Uint64(c.Values[8*i:])) }

// IsNull reports whether value i is null.
func (c *Column) IsNull(i int) bool { return c.Nulls > 0 && c.Valid[i/8]>>(i%8)&1 == 0 }

// True returns value i of a Bool column.
func (c *Column) True(i int) bool { return c.Values[i/8]>>(i%8)&1 != 0 }

// parts is where the nodes and buffers of a record batch are.
type parts struct {
	m       *message
	nodes   int // positions in the metadata
	buffers int
	codec   int
	unpack  *unpacker
}

// batch reads a record batch and appends it.
func (r *Reader) batch(m *message, total *int) error {
	rows := m.long(m.header, 0)
	if rows < 0 || rows > int64(r.Limits.Rows-*total) {
		return fmt.Errorf("%w: %d rows after %d, and a message may have %d", ErrTooLarge, rows, *total, r.Limits.Rows)
	}
	*total += int(rows)
	p := parts{m: m, codec: codecNone, unpack: &r.unpack}
	var nodes, buffers int
	p.nodes, nodes = m.vector(m.header, 1, 16)
	p.buffers, buffers = m.vector(m.header, 2, 16)
	if t := m.table(m.header, 3); t != 0 {
		p.codec = int(m.byte(t, 0))
		if p.codec > codecZstd || m.byte(t, 1) != 0 {
			return fmt.Errorf("compression %d is not known", p.codec)
		}
	}
	if m.bad {
		return errCut
	}
	if nodes != r.nodes || buffers != r.buffers {
		return fmt.Errorf("%d nodes and %d buffers, where the schema has %d and %d", nodes, buffers, r.nodes, r.buffers)
	}
	from := len(r.columns)
	for _, at := range r.picked {
		f := &r.fields[at]
		c, err := p.column(f.Kind, f.node, f.buffer, int(rows), true)
		if err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
		r.columns = append(r.columns, c)
	}
	r.batches = append(r.batches, Batch{Rows: int(rows), Columns: r.columns[from:len(r.columns):len(r.columns)]})
	return nil
}

var errShort = errors.New("a buffer is shorter than its rows need")

// column reads and checks one column. Exact says that it must have that many
// rows; else it must have that many at the least.
func (p *parts) column(kind Kind, node, buffer, rows int, exact bool) (Column, error) {
	c := Column{Kind: kind, Rows: rows}
	length, nulls := p.m.i64(p.nodes+16*node), p.m.i64(p.nodes+16*node+8)
	if length < int64(rows) || exact && length != int64(rows) || nulls < 0 || nulls > length {
		return c, fmt.Errorf("%d values and %d nulls for %d rows", length, nulls, rows)
	}
	var err error
	if nulls > 0 {
		if c.Valid, err = p.buffer(buffer); err != nil {
			return c, err
		}
		if len(c.Valid) < (rows+7)/8 {
			return c, errShort
		}
		if c.Nulls = rows - ones(c.Valid, rows); exact && int64(c.Nulls) != nulls {
			return c, fmt.Errorf("%d nulls, of which %d are marked", nulls, c.Nulls)
		}
	}
	switch kind {
	case Bool:
		if c.Values, err = p.buffer(buffer + 1); err == nil && len(c.Values) < (rows+7)/8 {
			err = errShort
		}
	case Utf8:
		if c.Offsets, err = p.buffer(buffer + 1); err != nil {
			return c, err
		}
		if c.Values, err = p.buffer(buffer + 2); err == nil {
			err = c.checkText()
		}
	case Utf8List:
		if c.Offsets, err = p.buffer(buffer + 1); err != nil {
			return c, err
		}
		var n int
		if n, err = c.checkOffsets(1 << 31); err != nil {
			return c, err
		}
		var inner Column
		if inner, err = p.column(Utf8, node+1, buffer+2, n, false); err != nil {
			return c, fmt.Errorf("elements: %w", err)
		}
		if inner.Nulls > 0 {
			return c, errors.New("null elements")
		}
		c.Elements = &inner
	default:
		if c.Values, err = p.buffer(buffer + 1); err == nil && len(c.Values)/8 < rows {
			err = errShort
		}
	}
	return c, err
}

// buffer returns a buffer's bytes, unpacked.
func (p *parts) buffer(n int) ([]byte, error) {
	at, size := p.m.i64(p.buffers+16*n), p.m.i64(p.buffers+16*n+8)
	if at < 0 || size < 0 || at > int64(len(p.m.body)) || size > int64(len(p.m.body))-at {
		return nil, fmt.Errorf("buffer %d leads beyond the body", n)
	}
	b := p.m.body[at : at+size]
	if p.codec != codecNone && size > 0 {
		var err error
		if b, err = p.unpack.buffer(p.codec, b); err != nil {
			return nil, err
		}
	}
	return b, p.unpack.count(len(b))
}

// checkOffsets checks that offsets do not go back nor beyond limit, and returns
// the last one.
func (c *Column) checkOffsets(limit int) (last int, err error) {
	if c.Rows == 0 {
		c.Offsets = make([]byte, 4) // the buffer may be left out
		return 0, nil
	}
	if len(c.Offsets)/4 < c.Rows+1 {
		return 0, errShort
	}
	o := c.Offsets[:4*(c.Rows+1)]
	last = int(int32(binary.LittleEndian.Uint32(o)))
	bad := last < 0
	for i := 4; i < len(o); i += 4 {
		v := int(int32(binary.LittleEndian.Uint32(o[i:])))
		bad = bad || v < last
		last = v
	}
	if bad || last > limit {
		return 0, errors.New("offsets go back or lead beyond the values")
	}
	return last, nil
}

// checkText checks the offsets and the bytes between the first and the last.
func (c *Column) checkText() error {
	last, err := c.checkOffsets(len(c.Values))
	if err != nil {
		return err
	}
	c.Values = c.Values[:last]
	first := c.Offset(0)
	if !utf8.Valid(c.Values[first:]) {
		return errUTF8
	}
	for i := range c.Rows { // a cut inside of a character leaves both sides invalid
		if o := c.Offset(i); o < last && c.Values[o]&0xC0 == 0x80 {
			return errUTF8
		}
	}
	return nil
}

var errUTF8 = errors.New("text that is not UTF-8")

// ones counts the set bits among the first n.
func ones(bitmap []byte, n int) (sum int) {
	for ; n >= 64; n, bitmap = n-64, bitmap[8:] {
		sum += bits.OnesCount64(binary.LittleEndian.Uint64(bitmap))
	}
	for i := range n {
		sum += int(bitmap[i/8] >> (i % 8) & 1)
	}
	return sum
}
