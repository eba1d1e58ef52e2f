// Package arrowipc reads Arrow IPC streams (schema and record batches, one
// after another, as the Arrow columnar format's chapter "Serialization and
// Interprocess Communication" says) from people one does not trust.
//
// It exists beside Arrow's own reader because that one trusts its input: it
// allocates what a length claims, and panics where offsets lead astray. Here
// every offset and length is checked against the bytes that are there, what is
// unpacked is bounded before it is, and a stream is good as a whole or refused
// as a whole. Nothing is copied: columns are views of the message's bytes. Only
// the columns that are wanted are looked at; others, of whatever type, are
// passed over.
package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits bound what a stream may hold.
type Limits struct {
	Bytes int // of the stream; and of what its wanted columns unpack to
	Rows  int // in all batches together
}

// ErrTooLarge is wrapped by errors that say that a limit was passed. All
// others of this package say that the stream is not what it should be.
var ErrTooLarge = errors.New("too large")

// Types of Message.fbs, in the union's order, and the versions of the metadata.
const (
	headerSchema     = 1
	headerDictionary = 2
	headerBatch      = 3
	version4         = 3
	version5         = 4
)

// message is an encapsulated message of a stream.
type message struct {
	flat
	version int16
	kind    uint8
	header  int // position of its table
	meta    []byte
	body    []byte
}

// next cuts a message off src. At the end of the stream ok is false.
func next(src []byte) (m message, rest []byte, ok bool, err error) {
	if len(src) == 0 {
		return m, nil, false, nil
	}
	if len(src) < 8 || binary.LittleEndian.Uint32(src) != 0xFFFFFFFF {
		return m, nil, false, errors.New("a message of the stream does not begin with FF FF FF FF and a length")
	}
	size := binary.LittleEndian.Uint32(src[4:])
	if size == 0 {
		if len(src) > 8 {
			return m, nil, false, fmt.Errorf("%d bytes after the end of the stream", len(src)-8)
		}
		return m, nil, false, nil
	}
	if uint64(size) > uint64(len(src)-8) {
		return m, nil, false, fmt.Errorf("metadata of %d bytes, with %d left", size, len(src)-8)
	}
	m.meta, rest = src[8:8+size], src[8+size:]
	m.b = m.meta
	root := m.follow(0)
	m.version, m.kind, m.header = m.short(root, 0, 0), m.byte(root, 1), m.table(root, 2)
	length := m.long(root, 3)
	switch {
	case m.bad || m.header == 0:
		return m, nil, false, errCut
	case m.version != version4 && m.version != version5:
		return m, nil, false, fmt.Errorf("metadata version V%d: V4 and V5 are read", m.version+1)
	case length < 0 || length > int64(len(rest)):
		return m, nil, false, fmt.Errorf("a body of %d bytes, with %d left", length, len(rest))
	}
	m.body = rest[:length]
	return m, rest[length:], true, nil
}

// Size returns the rows that a stream claims to have, and the bytes that its
// compressed buffers, whatever columns they are of, claim to unpack to, each at
// most as the limits say. It looks at the metadata only; of a stream that is no
// good it returns what it saw.
func Size(stream []byte, limits Limits) (rows, unpacked int) {
	for {
		m, rest, ok, err := next(stream)
		if err != nil || !ok {
			return rows, unpacked
		}
		stream = rest
		if m.kind != headerBatch {
			continue
		}
		if n := m.long(m.header, 0); n > 0 {
			rows = min(rows+int(min(n, int64(limits.Rows))), limits.Rows)
		}
		if m.table(m.header, 3) == 0 {
			continue
		}
		first, n := m.vector(m.header, 2, 16)
		for i := range n {
			at, size := m.i64(first+16*i), m.i64(first+16*i+8)
			if size < 8 || at < 0 || at > int64(len(m.body))-8 {
				continue
			}
			if claim := int64(binary.LittleEndian.Uint64(m.body[at:])); claim > 0 {
				unpacked = min(unpacked+int(min(claim, int64(limits.Bytes))), limits.Bytes)
			}
		}
	}
}

// Reader reads streams. One serves one goroutine, and keeps memory between
// streams.
type Reader struct {
	Limits Limits

	schema  []byte // metadata of the last schema
	version int16
	fields  []Field
	nodes   int // of a batch
	buffers int
	picked  []int
	refused error // what pick said

	batches []Batch
	columns []Column
	unpack  unpacker
}

// Read reads a stream. Pick is given the fields of a schema and returns the
// positions of those that are wanted, in the order that they are to have in
// Batch.Columns; its error is returned as it is. It is not asked again for a
// stream whose schema is, byte for byte, that of the stream before.
//
// The batches hold views of the stream, or memory of the reader: they are valid
// until the next call, and as long as the stream is unchanged.
func (r *Reader) Read(stream []byte, pick func([]Field) ([]int, error)) ([]Batch, error) {
	r.batches, r.columns = r.batches[:0], r.columns[:0]
	if len(stream) > r.Limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, and %d are read at the most", ErrTooLarge, len(stream), r.Limits.Bytes)
	}
	r.unpack.begin(r.Limits.Bytes, len(stream))
	m, rest, ok, err := next(stream)
	switch {
	case err != nil:
		return nil, err
	case !ok || m.kind != headerSchema:
		return nil, errors.New("the stream does not begin with a schema")
	}
	if err := r.open(&m, pick); err != nil {
		return nil, err
	}
	rows := 0
	for {
		if m, rest, ok, err = next(rest); err != nil {
			return nil, err
		} else if !ok {
			return r.batches, nil
		}
		switch m.kind {
		case headerDictionary: // of a column that is not wanted: wanted ones have none
			continue
		case headerBatch:
		default:
			return nil, fmt.Errorf("a message of type %d where a record batch belongs", m.kind)
		}
		if err := r.batch(&m, &rows); err != nil {
			return nil, fmt.Errorf("record batch %d: %w", len(r.batches), err)
		}
	}
}

// open reads the schema, unless it is that of the stream before.
func (r *Reader) open(m *message, pick func([]Field) ([]int, error)) error {
	if r.schema != nil && r.version == m.version && bytes.Equal(r.schema, m.meta) {
		return r.refused
	}
	r.schema = nil
	l := layout{flat: m.flat, version: m.version}
	fields, err := l.schema(m.header)
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	r.fields, r.nodes, r.buffers = fields, l.nodes, l.buffers
	r.picked, r.refused = pick(fields)
	r.schema, r.version = append([]byte(nil), m.meta...), m.version
	return r.refused
}
