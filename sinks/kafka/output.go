package kafka

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/jsonlines"
	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Headers that each message has: Key.String of its epoch, and the number of its
// row (of its first row, with format arrow) among those of the epoch and stream.
// With format arrow a third one has the number of its rows.
const (
	headerEpoch = "sluice-epoch"
	headerRow   = "sluice-row"
	headerRows  = "sluice-rows"
)

// output turns the rows of one stream into messages.
type output struct {
	stream pipeline.Stream
	topic  string
	json   *jsonlines.Encoder // nil with format arrow
	schema *arrow.Schema      // with format arrow: of what is written
	sealed bool               // see NewSealed
	key    int                // column; -1 for none
	names  []string           // further headers
	from   []int              // and their columns
	buf    []byte

	partitions int32 // of the topic
}

func (o *output) init(cfg *Config, schema *arrow.Schema, tag string, sealed bool) (err error) {
	o.key, o.sealed = -1, sealed
	if cfg.KeyColumn != "" {
		if o.key, err = find(schema, "key_column", cfg.KeyColumn); err != nil {
			return err
		}
	}
	for _, name := range cfg.sortedHeaders() {
		at, err := find(schema, "headers."+name, cfg.Headers[name])
		if err != nil {
			return err
		}
		o.names, o.from = append(o.names, name), append(o.from, at)
	}
	if cfg.Format == "arrow" {
		o.schema = pipeline.Plain(schema)
		return nil
	}
	value := ""
	if tag != "" {
		value = o.stream.String()
	}
	if o.json, err = jsonlines.New(schema, tag, value); err != nil {
		return &pipeline.FieldError{Err: fmt.Errorf("stream %s: %w", o.stream, err)}
	}
	return nil
}

// write calls send for each message of the stream's batches among in.
func (o *output) write(mem memory.Allocator, in []pipeline.Batch, stream pipeline.Stream, epoch []byte, limit int, send func(*client.Message) error) error {
	add, end := func(rec arrow.Record, row int) error { return o.messages(rec, epoch, row, limit, send) }, func() error { return nil }
	if o.json == nil && o.key >= 0 {
		d := o.divider(mem, epoch, limit, send)
		defer d.release()
		add, end = d.add, d.end
	}
	row := 0
	for _, b := range in {
		if b.Stream != stream {
			continue
		}
		if err := add(b.Record, row); err != nil {
			return err
		}
		row += b.Rows()
	}
	return end()
}

// messages calls send for each message of a record, whose first row is number
// row of its epoch. The message's memory is send's to keep.
func (o *output) messages(rec arrow.Record, epoch []byte, row int, limit int, send func(*client.Message) error) error {
	if o.json == nil {
		return o.batches(rec, epoch, row, limit, send)
	}
	var err error
	if o.buf, err = o.json.Append(o.buf[:0], rec); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	lines := o.buf
	for i := range int(rec.NumRows()) {
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			return fmt.Errorf("kafka: %d rows gave %d lines: a defect", rec.NumRows(), i)
		}
		m := o.message(epoch, row+i)
		m.Value = lines[:end] // the producer copies it
		lines = lines[end+1:]
		if o.key >= 0 {
			m.Key = text(rec.Column(o.key), i)
		}
		for j, name := range o.names {
			m.Headers = append(m.Headers, client.Header{Key: name, Value: text(rec.Column(o.from[j]), i)})
		}
		if err := send(m); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) message(epoch []byte, row int) *client.Message {
	return &client.Message{
		TopicPartition: client.TopicPartition{Topic: &o.topic, Partition: client.PartitionAny},
		Headers: append(make([]client.Header, 0, 3+len(o.names)),
			client.Header{Key: headerEpoch, Value: epoch}, client.Header{Key: headerRow, Value: strconv.AppendInt(nil, int64(row), 10)}),
	}
}

// batches sends a record as one message, or in halves where that is too large:
// at the same places every time, since they depend on the rows only.
func (o *output) batches(rec arrow.Record, epoch []byte, row, limit int, send func(*client.Message) error) error {
	out := array.NewRecord(o.schema, rec.Columns(), rec.NumRows())
	defer out.Release()
	return o.halves(out, epoch, row, limit, send)
}

func (o *output) halves(rec arrow.Record, epoch []byte, row, limit int, send func(*client.Message) error) error {
	value, err := kafka.EncodeArrow(rec)
	if err != nil {
		return fmt.Errorf("kafka: encoding: %w", err)
	}
	n := rec.NumRows()
	if len(value) <= limit || n < 2 {
		m := o.message(epoch, row)
		if m.Value = value; o.sealed {
			m.Value = kafka.Seal(m.Value)
		}
		m.Headers = append(m.Headers, client.Header{Key: headerRows, Value: strconv.AppendInt(nil, n, 10)})
		return send(m)
	}
	for _, part := range [][2]int64{{0, n / 2}, {n / 2, n}} {
		half := rec.NewSlice(part[0], part[1])
		err := o.halves(half, epoch, row+int(part[0]), limit, send)
		half.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// text returns a value as a key or header; nil for null and for empty text.
func text(col arrow.Array, i int) []byte {
	if col.IsNull(i) {
		return nil
	}
	switch a := col.(type) {
	case *array.String:
		if a.ValueLen(i) == 0 {
			return nil
		}
		return []byte(a.Value(i))
	case *array.Int64:
		return strconv.AppendInt(nil, a.Value(i), 10)
	case *array.Int32:
		return strconv.AppendInt(nil, int64(a.Value(i)), 10)
	case *array.Uint64:
		return strconv.AppendUint(nil, a.Value(i), 10)
	case *array.Uint32:
		return strconv.AppendUint(nil, uint64(a.Value(i)), 10)
	}
	return nil // find takes no other types
}
