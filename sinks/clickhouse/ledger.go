package clickhouse

import (
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// ledgerSchema is that of the table epochs, less the time that the store puts
// on each row.
func ledgerSchema() *arrow.Schema {
	str, u64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Uint64
	return arrow.NewSchema([]arrow.Field{
		{Name: "pipeline", Type: str},
		{Name: "sink", Type: str},
		{Name: "source_partition", Type: str},
		{Name: "from_position", Type: str},
		{Name: "to_position", Type: str},
		{Name: "posts", Type: u64},
		{Name: "detections", Type: u64},
		{Name: "rejected", Type: u64},
		{Name: "min_created_at", Type: pipeline.Timestamp, Nullable: true},
		{Name: "max_created_at", Type: pipeline.Timestamp, Nullable: true},
	}, nil)
}

// ledgerRow is the record of one epoch, to be released.
func ledgerRow(schema *arrow.Schema, key pipeline.Key, rows [pipeline.NumStreams]int64, span timeSpan) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, text := range []string{key.Pipeline, key.Sink, key.Span.Partition, string(key.Span.From), string(key.Span.To)} {
		b.Field(i).(*array.StringBuilder).Append(text)
	}
	for i, n := range rows {
		b.Field(5 + i).(*array.Uint64Builder).Append(uint64(n))
	}
	for i, at := range []arrow.Timestamp{span.min, span.max} {
		to := b.Field(8 + i).(*array.TimestampBuilder)
		if span.known {
			to.Append(at)
		} else {
			to.AppendNull()
		}
	}
	return b.NewRecord()
}

// timeSpan is the range of created_at of an epoch's posts.
type timeSpan struct {
	min, max arrow.Timestamp
	known    bool
}

// span returns the range of created_at of the posts.
func (s *Sink) span(streams [pipeline.NumStreams][]arrow.Record) timeSpan {
	var out timeSpan
	at := s.created[pipeline.Posts]
	if at < 0 {
		return out
	}
	for _, rec := range streams[pipeline.Posts] {
		for _, v := range rec.Column(at).(*array.Timestamp).TimestampValues() {
			if !out.known {
				out = timeSpan{v, v, true}
			}
			out.min, out.max = min(out.min, v), max(out.max, v)
		}
	}
	return out
}

func rowCounts(streams [pipeline.NumStreams][]arrow.Record) (rows [pipeline.NumStreams]int64) {
	for stream, records := range streams {
		for _, rec := range records {
			rows[stream] += rec.NumRows()
		}
	}
	return rows
}

// Stats are counts since Open.
type Stats struct {
	Epochs  int64                      // written, replays included
	Rows    [pipeline.NumStreams]int64 // in them, by stream
	Expired int64                      // rows that were older than the retention
	Busy    time.Duration              // time in Write
}

type counters struct {
	epochs, expired, busy atomic.Int64
	rows                  [pipeline.NumStreams]atomic.Int64
}

func (c *counters) add(rows [pipeline.NumStreams]int64, took time.Duration) {
	c.epochs.Add(1)
	c.busy.Add(int64(took))
	for i, n := range rows {
		c.rows[i].Add(n)
	}
}

// Stats returns the counts, for metrics.
func (s *Sink) Stats() Stats {
	out := Stats{Epochs: s.stats.epochs.Load(), Expired: s.stats.expired.Load(), Busy: time.Duration(s.stats.busy.Load())}
	for i := range out.Rows {
		out.Rows[i] = s.stats.rows[i].Load()
	}
	return out
}
