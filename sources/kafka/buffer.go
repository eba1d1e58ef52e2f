package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// buffer is the memory of a chunk: the values of messages with consecutive
// offsets one after another, and what else is to be known of each.
//
// The decoder finds both in Chunk.Data: the values up to the last of Bounds,
// then the side. The side has, for each message in turn: a byte that says why
// it is rejected, 0 if it is not, and if so its value (then that among the
// values is empty); and with columns of messages its time in ms as a varint,
// its key, and the headers that are columns. Byte strings are a uvarint of
// their length plus one, and the bytes; 0 stands for none. A buffer in which
// the decoder needs nothing of that has no side.
type buffer struct {
	data, side []byte
	bounds     []uint32
	from       int64 // offset of the first message
	records    int
	needed     bool // the side is
}

// Why a message is rejected before it is decoded.
const (
	accepted byte = iota
	tombstone
	binaryFraming
)

// next is the offset behind the last message.
func (b *buffer) next() int64 { return b.from + int64(b.messages()) }

func (b *buffer) messages() int { return max(len(b.bounds)-1, 0) }

// size is what the buffer holds, in bytes.
func (b *buffer) size() int { return len(b.data) + len(b.side) }

func (b *buffer) reset() {
	b.data, b.side, b.bounds = b.data[:0], b.side[:0], b.bounds[:0]
	b.from, b.records, b.needed = 0, 0, false
}

// begin makes an empty buffer begin at an offset.
func (b *buffer) begin(offset int64) {
	b.from = offset
	b.bounds = append(b.bounds, 0)
}

// blank stands for an offset without a message: a marker of a transaction, or
// one that was compacted away.
func (b *buffer) blank(p *decodePlan) {
	b.end(nil, 1)
	b.side = append(b.side, accepted)
	if p.meta {
		b.side = binary.AppendVarint(b.side, 0)
		for range 1 + len(p.headers) {
			b.side = append(b.side, 0)
		}
	}
}

// end ends a message.
func (b *buffer) end(value []byte, records int) {
	b.data = append(b.data, value...)
	b.bounds = append(b.bounds, uint32(len(b.data)))
	b.records += records
}

// add adds a message, whose offset is the next.
func (b *buffer) add(p *decodePlan, m *kafka.Message) {
	value, reject := m.Value, accepted
	switch {
	case value == nil && p.rejectTombstones:
		reject = tombstone
	case p.arrow: // which tells by itself what is no stream
	case len(value) > 5 && value[0] == 0:
		if value, reject = unframe(value); reject == accepted {
			break
		}
	}
	switch {
	case reject != accepted:
		b.end(nil, 1)
		b.side = append(b.side, reject)
		b.side = appendBytes(b.side, value)
		b.needed = true
	case p.lines:
		b.end(value, bytes.Count(value, []byte{'\n'})+1)
		b.side = append(b.side, accepted)
		b.needed = true
	case p.arrow:
		b.end(value, ipcRecords(value))
		b.side = append(b.side, accepted)
	default:
		b.end(value, 1)
		b.side = append(b.side, accepted)
	}
	if !p.meta {
		return
	}
	b.needed = true
	var ms int64
	if m.TimestampType != kafka.TimestampNotAvailable {
		ms = m.Timestamp.UnixMilli()
	}
	b.side = binary.AppendVarint(b.side, ms)
	b.side = appendBytes(b.side, m.Key)
	for _, h := range p.headers {
		b.side = appendBytes(b.side, header(m, h))
	}
}

// unframe takes the schema registry's frame off a JSON value.
func unframe(value []byte) (payload []byte, reject byte) {
	for _, c := range value[5:] {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '{', '[':
			return value[5:], accepted
		}
		break
	}
	return value, binaryFraming
}

// header returns the last value of a header; nil without one.
func header(m *kafka.Message, name string) []byte {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == name {
			return m.Headers[i].Value
		}
	}
	return nil
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))+1), b...)
}

// errSide says that a chunk is not what a buffer makes.
var errSide = errors.New("kafka: a chunk's side does not fit its messages: a defect of the source")

// cutBytes is the inverse of appendBytes.
func cutBytes(src []byte) (b, rest []byte, err error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > uint64(len(src)-k)+1 {
		return nil, nil, errSide
	}
	if n == 0 {
		return nil, src[k:], nil
	}
	end := k + int(n-1)
	return src[k:end:end], src[end:], nil
}
