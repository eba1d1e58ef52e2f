package kafka

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// FuzzMessages puts messages of any bytes among good ones, and checks that the
// good ones come out at their offsets, with their keys, and that no more rows
// come than were counted.
func FuzzMessages(f *testing.F) {
	for _, v := range [][]byte{nil, {}, []byte("x"), {0, 0, 0, 0, 1, '{'}, {0, 0, 0, 0, 1, 2, 3}, []byte("{}\n{}\n"), []byte("\n\r\n"), post("v"), bytes.Repeat([]byte{0}, 6)} {
		for _, lines := range []bool{false, true} {
			f.Add(v, []byte("key"), []byte(nil), lines, lines, uint16(len(v)))
		}
	}
	f.Fuzz(func(t *testing.T, value, key, head []byte, lines, reject bool, gap uint16) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		cfg := Defaults()
		cfg.KeyColumn, cfg.Headers, cfg.TimeColumn = "k", map[string]string{"h": "head"}, "at"
		if lines {
			cfg.Messages = "lines"
		}
		if reject {
			cfg.Tombstones = "reject"
		}
		inner, err := decode.NewPlan(cfg.Config, mem)
		if err != nil {
			t.Fatal(err)
		}
		p, err := newDecodePlan(&cfg, inner, mem)
		if err != nil {
			t.Fatal(err)
		}
		message := func(key, value []byte) *client.Message {
			return &client.Message{Key: key, Value: value, Timestamp: time.UnixMilli(1), Headers: []client.Header{{Key: "head", Value: head}}}
		}
		b := &buffer{}
		b.begin(100)
		b.add(p, message([]byte("first"), post("first")))
		b.add(p, message(key, value))
		for range gap % 8 {
			b.blank(p)
		}
		last := b.next()
		b.add(p, message([]byte("last"), post("last")))
		c := pipeline.Chunk{Origin: "t/0", Offset: b.from, Data: append(b.data, b.side...), Bounds: b.bounds, Records: b.records}
		rows, found := 0, 0
		err = p.New().Decode(context.Background(), &c, func(out pipeline.Batch) error {
			defer out.Record.Release()
			rows += out.Rows()
			at := out.Record.Column(out.Record.Schema().FieldIndices(pipeline.ColSourceOffset)[0]).(*array.Int64)
			for i := range out.Rows() {
				if o := at.Value(i); o < 100 || o > last {
					t.Errorf("a row of offset %d", o)
				}
			}
			if out.Stream != pipeline.Posts {
				return nil
			}
			id, k := out.Record.Column(0).(*array.String), out.Record.Column(p.schema.FieldIndices("k")[0]).(*array.String)
			for i := range out.Rows() {
				if o := at.Value(i); o == 100 && id.Value(i) == "first" && k.Value(i) == "first" || o == last && id.Value(i) == "last" && k.Value(i) == "last" {
					found++
				}
			}
			return nil
		})
		if err != nil || found != 2 || rows > c.Records {
			t.Errorf("error %v, %d of the 2 good ones found, %d rows of %d records", err, found, rows, c.Records)
		}
	})
}

// FuzzSide checks that no side makes the decoder panic.
func FuzzSide(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0}, uint8(1))
	f.Add([]byte{1, 4, 1, 2, 3, 0, 0, 0}, uint8(2))
	f.Add(bytes.Repeat([]byte{0xff}, 12), uint8(1))
	f.Fuzz(func(_ *testing.T, side []byte, n uint8) {
		d := &decoder{decodePlan: &decodePlan{meta: true, headers: []string{"h"}}}
		_ = d.read(side, int(n)) // an error or none
	})
}

// FuzzRecorded parses the metadata of commits, which anybody may have made: what is
// taken is written in the same bytes.
func FuzzRecorded(f *testing.F) {
	h := strings.Repeat("0123456789abcdef", 4)
	for _, text := range []string{"", "sluice/1 7:" + h, "sluice/1 7:" + h + " 8:" + h, "sluice/2 3:1700000000000:60000", "sluice/2 3:-1:60000 7:" + h, "sluice/2 7:" + h, "sluice/9"} {
		f.Add(int64(5), text)
	}
	f.Fuzz(func(t *testing.T, offset int64, text string) {
		if offset < 0 {
			return // the group has nothing
		}
		out, err := parseRecorded(offset, text)
		if err != nil {
			return
		}
		if out.Committed != position(offset) {
			t.Errorf("committed %s, want %d", out.Committed, offset)
		}
		if again := formatRecorded(out); again != text && text != versionPending {
			t.Errorf("%q is %+v, which is %q", text, out, again)
		}
	})
}
