package kafka

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/column"
)

// divider divides the rows of a stream in an epoch among the partitions of its
// topic, by the key of each, and makes Arrow messages of them: so rows of one
// key are in one partition, in their order. What it does depends on the rows
// and the number of partitions only.
type divider struct {
	*output
	mem   memory.Allocator
	epoch []byte
	limit int
	send  func(*client.Message) error
	parts []share
	rows  [][]int // of a record, by partition
}

// share is what waits to be sent to one partition.
type share struct {
	recs  []arrow.Record
	rows  int
	first int // number of its first row in the epoch
}

// shareRows is how many rows a message has at the most, if the batches have no
// more.
const shareRows = 1024

func (o *output) divider(mem memory.Allocator, epoch []byte, limit int, send func(*client.Message) error) *divider {
	return &divider{output: o, mem: mem, epoch: epoch, limit: limit, send: send, parts: make([]share, o.partitions), rows: make([][]int, o.partitions)}
}

// add takes the rows of a record, whose first is number row of its epoch.
func (d *divider) add(rec arrow.Record, row int) error {
	for p := range d.rows {
		d.rows[p] = d.rows[p][:0]
	}
	key, n := rec.Column(d.key), uint32(len(d.parts))
	for i := range int(rec.NumRows()) {
		at := uint32(row+i) % n // without a key a row is anybody's
		if k := text(key, i); k != nil {
			at = murmur2(k) & 0x7fffffff % n
		}
		d.rows[at] = append(d.rows[at], i)
	}
	whole := array.NewRecord(d.schema, rec.Columns(), rec.NumRows())
	defer whole.Release()
	for p, rows := range d.rows {
		if len(rows) == 0 {
			continue
		}
		part, err := column.Take(d.mem, whole, rows)
		if err != nil {
			return fmt.Errorf("kafka: stream %s: %w", d.stream, err)
		}
		s := &d.parts[p]
		if s.rows+len(rows) > shareRows {
			if err := d.flush(p); err != nil {
				part.Release()
				return err
			}
		}
		if s.rows == 0 {
			s.first = row + rows[0]
		}
		s.recs, s.rows = append(s.recs, part), s.rows+len(rows)
	}
	return nil
}

// flush sends what waits for a partition.
func (d *divider) flush(p int) error {
	s := &d.parts[p]
	if s.rows == 0 {
		return nil
	}
	rec, err := column.Concat(d.mem, s.recs)
	if err != nil {
		return fmt.Errorf("kafka: stream %s: %w", d.stream, err)
	}
	defer rec.Release()
	first := s.first
	s.release()
	return d.halves(rec, d.epoch, first, d.limit, func(m *client.Message) error {
		m.TopicPartition.Partition = int32(p)
		return d.send(m)
	})
}

// end sends all that waits.
func (d *divider) end() error {
	for p := range d.parts {
		if err := d.flush(p); err != nil {
			return err
		}
	}
	return nil
}

// release drops what waits.
func (d *divider) release() {
	for p := range d.parts {
		d.parts[p].release()
	}
}

func (s *share) release() {
	for _, r := range s.recs {
		r.Release()
	}
	s.recs, s.rows = s.recs[:0], 0
}

// murmur2 is the hash by which Java's producer divides keys (MurmurHash2 with
// the seed of org.apache.kafka.common.utils.Utils).
func murmur2(key []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		h = h*m ^ (k^k>>24)*m
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
