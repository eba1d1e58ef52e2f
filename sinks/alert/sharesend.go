package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Headers of a message with detections. It holds an Arrow IPC stream, sealed.
const (
	headerPartition = "sluice-partition" // of the source
	headerEpoch     = "sluice-epoch"     // Key.String of the epoch
	headerPart      = "sluice-part"      // number of the message in the epoch
	headerRead      = "sluice-read"      // when the rows were read, ms
)

// Sizes of messages, in bytes; brokers by default take a million.
const (
	partSize = 512 << 10 // at the most, of more than one detection
	slimSize = 900_000   // beyond it one is sent without its text and what was found in it
)

// write sends the epoch's detections to the process that tells, and waits until
// the brokers have them. The same epoch makes the same messages.
func (x *sharing) write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	messages, err := x.messages(ctx, key, in)
	if err != nil || len(messages) == 0 {
		return err
	}
	if x.sender == nil {
		// Not for ever, so that the engine learns of it while brokers are away.
		if x.sender, err = x.newProducer(client.ConfigMap{"message.timeout.ms": 30_000}); err != nil {
			return fmt.Errorf("%s: share: %w", x.s.name, err)
		}
	}
	acks := make(chan client.Event, len(messages))
	sent := 0
	for _, m := range messages {
		if err = x.sender.Produce(m, acks); err != nil {
			break
		}
		sent++
	}
	for range sent {
		select {
		case e := <-acks:
			if m, ok := e.(*client.Message); ok && err == nil {
				err = m.TopicPartition.Error
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return x.failed(key, err)
}

// failed gives an error of sending its kind. A producer that can not go on is
// given up; what it has sent is known by its names.
func (x *sharing) failed(key pipeline.Key, err error) error {
	if err == nil {
		return nil
	}
	var ke client.Error
	if errors.As(err, &ke) && (ke.IsFatal() || ke.Code() == client.ErrFatal) {
		x.dropSender()
		err = pipeline.Retryable(err)
	} else {
		err = kafka.Classify(err)
	}
	return fmt.Errorf("%s: share: topic %s: epoch %s: %w", x.s.name, x.cfg.Topic, key, err)
}

// newProducer makes a producer. Its events that are no reports are logged.
func (x *sharing) newProducer(own client.ConfigMap) (*client.Producer, error) {
	p, err := client.NewProducer(x.settings(true, own))
	if err != nil {
		return nil, err
	}
	go func() {
		for e := range p.Events() {
			if err, ok := e.(client.Error); ok {
				x.s.log.Debug("kafka: "+err.Error(), "sink", x.s.name, "code", err.Code().String())
			}
		}
	}()
	return p, nil
}

func (x *sharing) dropSender() {
	if x.sender != nil {
		_ = x.sender.Purge(client.PurgeInFlight | client.PurgeQueue) // nobody waits for it
		x.sender.Close()
		x.sender = nil
	}
}

// messages returns those of an epoch: of its detections that alert.
func (x *sharing) messages(ctx context.Context, key pipeline.Key, in []pipeline.Batch) (out []*client.Message, err error) {
	read := strconv.FormatInt(readTime(ctx, x.s.now().UnixMilli()), 10)
	for _, b := range in {
		if b.Stream != pipeline.Detections {
			continue
		}
		var pick []int
		r := x.s.routes[0].layout.reader(b.Record, key.Pipeline)
		for row := range b.Rows() {
			if x.s.cfg.wants(r.head(row)) {
				pick = append(pick, row)
			}
		}
		if len(pick) == 0 {
			continue
		}
		rec, err := column.Take(x.mem, b.Record, pick)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.s.name, err)
		}
		err = x.encode(rec, func(value []byte) {
			out = append(out, &client.Message{
				TopicPartition: client.TopicPartition{Topic: &x.cfg.Topic, Partition: 0}, Value: kafka.Seal(value),
				Headers: []client.Header{
					{Key: headerPartition, Value: []byte(key.Span.Partition)},
					{Key: headerEpoch, Value: []byte(key.String())},
					{Key: headerPart, Value: strconv.AppendInt(nil, int64(len(out)), 10)},
					{Key: headerRead, Value: []byte(read)},
				},
			})
		})
		rec.Release()
		if err != nil {
			return nil, fmt.Errorf("%s: encoding: %w", x.s.name, err)
		}
	}
	return out, nil
}

// encode calls send with the record, or, where that is too large, with halves of
// it: at the same places every time, since they depend on the rows only.
func (x *sharing) encode(rec arrow.Record, send func([]byte)) error {
	n := rec.NumRows()
	value, err := kafka.EncodeArrow(rec)
	switch {
	case err != nil:
		return err
	case len(value) <= partSize, n == 1 && len(value) <= slimSize:
		send(value)
		return nil
	case n == 1:
		slim := x.slim(rec)
		defer slim.Release()
		value, err := kafka.EncodeArrow(slim)
		if err == nil && len(value) > slimSize { // its ids alone: no broker takes it
			x.s.log.Error("alerts: a detection is too large to be told of", "sink", x.s.name, "bytes", len(value))
		} else if err == nil {
			send(value)
		}
		return err
	}
	for _, part := range [][2]int64{{0, n / 2}, {n / 2, n}} {
		half := rec.NewSlice(part[0], part[1])
		err := x.encode(half, send)
		half.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// slim returns a record without what quotes the post's text: it still counts.
// The caller releases it.
func (x *sharing) slim(rec arrow.Record) arrow.Record {
	var fields []arrow.Field
	var cols []arrow.Array
	for i, f := range rec.Schema().Fields() {
		if f.Name != "text" && !strings.HasPrefix(f.Name, "values.") && !strings.HasPrefix(f.Name, "spans.") {
			fields, cols = append(fields, f), append(cols, rec.Column(i))
		}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, rec.NumRows())
}

// parcel is what a message says beside its detections.
type parcel struct {
	partition string
	epoch     string // a name of it
	part      int
	read      int64 // 0 where it is not known
}

func parcelOf(m *client.Message) (p parcel) {
	for _, h := range m.Headers {
		switch value := string(h.Value); h.Key {
		case headerPartition:
			p.partition = value
		case headerEpoch:
			p.epoch = digest("epoch", value)[:24]
		case headerPart:
			p.part, _ = strconv.Atoi(value)
		case headerRead:
			p.read, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return p
}

// next reports whether the message is the next one of its epoch, and returns the
// partition's epochs with it. One that was counted comes again after a crash.
// One before which another is missing was sent in vain: the epoch comes again
// as a whole. List is not changed.
func (p *parcel) next(list []counted) ([]counted, bool) {
	i := slices.IndexFunc(list, func(c counted) bool { return c.Epoch == p.epoch })
	list = slices.Clone(list)
	if i < 0 {
		list = append(list, counted{Epoch: p.epoch})
		i = len(list) - 1
	}
	if list[i].Parts != p.part {
		return nil, false
	}
	list[i].Parts++
	return list[max(0, len(list)-keptEach):], true
}

// each calls f with the records of a message, with the columns of want: a
// process of another version may have written it.
func (x *sharing) each(m *client.Message, want *arrow.Schema, f func(arrow.Record)) error {
	value, ok := kafka.Unseal(m.Value)
	if !ok {
		return errors.New("it is not of this pipeline, or damaged")
	}
	r, err := ipc.NewReader(bytes.NewReader(value), ipc.WithAllocator(x.mem))
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		rec := x.fit(r.Record(), want)
		f(rec)
		rec.Release()
	}
	return r.Err()
}

// fit returns a record with the columns of want, by name; one that is not there
// is null. The caller releases it.
func (x *sharing) fit(rec arrow.Record, want *arrow.Schema) arrow.Record {
	if rec.Schema().Equal(want) {
		rec.Retain()
		return rec
	}
	cols := make([]arrow.Array, want.NumFields())
	for i, f := range want.Fields() {
		at := rec.Schema().FieldIndices(f.Name)
		if len(at) > 0 && arrow.TypeEqual(rec.Column(at[0]).DataType(), f.Type) {
			cols[i] = rec.Column(at[0])
			cols[i].Retain()
		} else {
			cols[i] = array.MakeArrayOfNull(x.mem, f.Type, int(rec.NumRows()))
		}
	}
	out := array.NewRecord(want, cols, rec.NumRows())
	for _, c := range cols {
		c.Release()
	}
	return out
}
