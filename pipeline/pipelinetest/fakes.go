package pipelinetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
	"github.com/sluicehq/sluice/pipeline"
)

// LinesSource is a source kind "lines" that reads partitions from memory. A line is
// "ID MILLISECONDS AUTHOR TEXT"; one that starts with "bad" is rejected.
type LinesSource struct {
	Partitions map[string][]string
	ChunkLines int // lines a chunk holds; 1 when zero

	// Whole: it keeps all records. It is no pipeline.Keeper then.
	Whole bool

	// Fault, when set, is called before each Read; its error is returned.
	Fault func() error

	mu        sync.Mutex
	committed map[string]pipeline.Position
	kept      map[string]int // records before it are gone, as Keep allowed
	opened    []map[string]pipeline.Resume
}

// Opened returns what Open was given each time.
func (l *LinesSource) Opened() []map[string]pipeline.Resume {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.opened)
}

// Kept returns how many records of the partition are gone.
func (l *LinesSource) Kept(partition string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept[partition]
}

// Committed returns the position that was committed last.
func (l *LinesSource) Committed(partition string) pipeline.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.committed[partition]
}

type noConfig struct{}

// Factory returns the source's factory.
func (l *LinesSource) Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{Name: "lines", Summary: "Lines from memory."},
		func() noConfig { return noConfig{} },
		func(bc pipeline.BuildContext, _ *noConfig) (pipeline.SourcePlan, error) {
			return linesPlan{l, bc.Mem}, nil
		})
}

type linesPlan struct {
	l   *LinesSource
	mem memory.Allocator
}

func (p linesPlan) Decode() pipeline.DecodePlan { return linesDecodePlan{p.mem} }
func (p linesPlan) New() (pipeline.Source, error) {
	if p.l.Whole {
		return struct{ pipeline.Source }{&linesReader{l: p.l}}, nil
	}
	return &linesReader{l: p.l}, nil
}

type linesDecodePlan struct{ mem memory.Allocator }

func (p linesDecodePlan) Output() *arrow.Schema { return pipeline.PostsSchema() }
func (p linesDecodePlan) New() pipeline.Decoder { return linesDecoder(p) }

type linesReader struct {
	l     *LinesSource
	names []string
	at    map[string]int
	until map[string][]int
}

func (r *linesReader) Open(_ context.Context, resume map[string]pipeline.Resume) error {
	r.l.mu.Lock()
	r.l.opened = append(r.l.opened, maps.Clone(resume))
	r.l.mu.Unlock()
	r.at, r.until = map[string]int{}, map[string][]int{}
	r.names = slices.Sorted(maps.Keys(r.l.Partitions))
	for name, re := range resume {
		if re.From != "" {
			n, err := strconv.Atoi(string(re.From))
			if err != nil {
				return err
			}
			if gone := r.l.Kept(name); n < gone {
				return fmt.Errorf("partition %q is opened at %d, after Keep allowed to delete what is before %d", name, n, gone)
			}
			r.at[name] = n
		}
		for _, u := range re.Until {
			n, err := strconv.Atoi(string(u))
			if err != nil {
				return err
			}
			r.until[name] = append(r.until[name], n)
		}
	}
	return nil
}

// Read takes the partitions in turn.
func (r *linesReader) Read(ctx context.Context) (pipeline.Chunk, error) {
	if r.l.Fault != nil {
		if err := r.l.Fault(); err != nil {
			return pipeline.Chunk{}, err
		}
	}
	if ctx.Err() != nil {
		return pipeline.Chunk{}, ctx.Err()
	}
	for range r.names {
		name := r.names[0]
		r.names = append(r.names[1:], name)
		lines, from := r.l.Partitions[name], r.at[name]
		if from == len(lines) {
			continue
		}
		to := min(from+max(1, r.l.ChunkLines), len(lines))
		if u := r.until[name]; len(u) > 0 && to >= u[0] {
			to = u[0]
			r.until[name] = u[1:]
		}
		r.at[name] = to
		return linesChunk(name, lines, from, to), nil
	}
	return pipeline.Chunk{}, io.EOF
}

func linesChunk(name string, lines []string, from, to int) pipeline.Chunk {
	c := pipeline.Chunk{
		Span:   pipeline.Span{Partition: name, From: position(from), To: position(to)},
		Origin: "memory/" + name, Offset: int64(from), Records: to - from, Bounds: []uint32{0},
	}
	for _, l := range lines[from:to] {
		c.Data = append(c.Data, l...)
		c.Bounds = append(c.Bounds, uint32(len(c.Data)))
	}
	return c
}

func position(n int) pipeline.Position {
	if n == 0 {
		return ""
	}
	return pipeline.Position(strconv.Itoa(n))
}

func (r *linesReader) Commit(_ context.Context, partition string, upTo pipeline.Position) error {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.l.committed == nil {
		r.l.committed = map[string]pipeline.Position{}
	}
	r.l.committed[partition] = upTo
	return nil
}

// Keep implements pipeline.Keeper: Open fails when it goes back before.
func (r *linesReader) Keep(_ context.Context, partition string, from pipeline.Position) error {
	n := 0
	if from != "" {
		var err error
		if n, err = strconv.Atoi(string(from)); err != nil {
			return err
		}
	}
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.l.kept == nil {
		r.l.kept = map[string]int{}
	}
	r.l.kept[partition] = max(r.l.kept[partition], n)
	return nil
}

func (r *linesReader) Close(context.Context) error { return nil }

type linesDecoder struct{ mem memory.Allocator }

func (d linesDecoder) Decode(_ context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	posts := array.NewRecordBuilder(d.mem, pipeline.PostsSchema())
	defer posts.Release()
	bad := array.NewRecordBuilder(d.mem, pipeline.RejectedSchema())
	defer bad.Release()
	for i := range c.Records {
		line := c.Data[c.Bounds[i]:c.Bounds[i+1]]
		p := bytes.SplitN(line, []byte(" "), 4)
		var row Row
		into := posts
		if bytes.HasPrefix(line, []byte("bad")) || len(p) < 4 {
			row, into = Row{"source": c.Origin, "source_offset": c.Offset + int64(i), "step": "decode", "reason": "bad_line", "raw": line}, bad
		} else {
			ms, err := strconv.ParseInt(string(p[1]), 10, 64)
			if err != nil {
				return err
			}
			row = Row{
				"id": string(p[0]), "created_at": time.UnixMilli(ms).UTC().Format(time.RFC3339Nano), "author_id": string(p[2]), "text": string(p[3]),
				"source": c.Origin, "source_offset": c.Offset + int64(i),
			}
		}
		if err := appendRow(into, row); err != nil {
			return err
		}
	}
	for s, b := range []*array.RecordBuilder{posts, nil, bad} {
		if b == nil || b.Field(0).Len() == 0 {
			continue
		}
		if err := emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Stream(s)}); err != nil {
			return err
		}
	}
	return nil
}

// appendRow appends a row to a builder, with zero values for what it lacks.
func appendRow(b *array.RecordBuilder, r Row) error {
	for i, f := range b.Schema().Fields() {
		if _, ok := r[f.Name]; !ok {
			if f.Nullable {
				r[f.Name] = nil
			} else {
				r[f.Name] = zero(f, i)
			}
		}
	}
	js, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.UnmarshalJSON(js)
}

// MemorySink is a sink kind "memory". It keeps what was written by key, and
// fails the test's check (Err) when one key comes with two contents.
type MemorySink struct {
	// Before and After, when set, are called around each write; their errors
	// are returned. After runs when the rows are kept: as when an
	// acknowledgement is lost.
	Before, After func() error

	// Overlaps is how many writes it takes at a time: 1 when it is 0. More at
	// a time breach the contract.
	Overlaps int
	// Runs is how many runs may have it open; 1 when it is 0. Then Overlaps is
	// of each.
	Runs int

	mu      sync.Mutex
	writing int
	opened  int
	posts   *arrow.Schema // since Open
	written map[pipeline.Key][pipeline.NumStreams][]string
	err     error
}

// Factory returns the sink's factory.
func (m *MemorySink) Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name: "memory", Summary: "Rows in memory.",
		Takes: []pipeline.Stream{pipeline.Posts, pipeline.Detections, pipeline.Rejected},
	}, func() noConfig { return noConfig{} },
		func(pipeline.BuildContext, *noConfig, pipeline.Schemas) (pipeline.SinkPlan, error) {
			return memoryPlan{m}, nil
		})
}

type memoryPlan struct{ m *MemorySink }

func (p memoryPlan) New() (pipeline.Sink, error) { return p.m, nil }

// Open implements pipeline.Sink.
func (m *MemorySink) Open(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened++; m.opened > max(1, m.Runs) && m.err == nil {
		m.err = errors.New("the sink was opened twice")
	}
	if m.opened == 1 {
		m.posts = nil
	}
	return nil
}

// Close implements pipeline.Sink.
func (m *MemorySink) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened--
	return nil
}

// Overlap implements pipeline.Overlapper.
func (m *MemorySink) Overlap() int { return max(1, m.Overlaps) }

// begin counts a write that begins (1) or ends (-1).
func (m *MemorySink) begin(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing += n
	if most := m.Overlap() * max(1, m.Runs); m.writing > most && m.err == nil {
		m.err = fmt.Errorf("%d writes at a time, want at most %d", m.writing, most)
	}
}

// Write implements pipeline.Sink.
func (m *MemorySink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	m.begin(1)
	defer m.begin(-1)
	if m.Before != nil {
		if err := m.Before(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var rows [pipeline.NumStreams][]string
	last := pipeline.Stream(0)
	for _, b := range in {
		js, err := b.Record.MarshalJSON()
		if err != nil {
			return err
		}
		var lines []json.RawMessage
		if err := json.Unmarshal(js, &lines); err != nil {
			return err
		}
		for _, l := range lines {
			rows[b.Stream] = append(rows[b.Stream], string(l))
		}
		m.checkOrder(key, b)
		m.checkSchema(key, b)
		if b.Stream < last {
			m.fail(fmt.Errorf("key %s: %s after %s", key, b.Stream, last))
		}
		last = b.Stream
	}
	m.keep(key, rows)
	if m.After != nil {
		return m.After()
	}
	return nil
}

// checkOrder checks that the posts of a batch are in source order.
func (m *MemorySink) checkOrder(key pipeline.Key, b pipeline.Batch) {
	if b.Stream != pipeline.Posts {
		return
	}
	i := b.Record.Schema().FieldIndices(pipeline.ColSourceOffset)[0]
	if at := b.Record.Column(i).(*array.Int64).Int64Values(); !slices.IsSorted(at) {
		m.fail(fmt.Errorf("key %s: posts are not in source order: %v", key, at))
	}
}

// checkSchema checks that all posts since Open have one schema.
func (m *MemorySink) checkSchema(key pipeline.Key, b pipeline.Batch) {
	if b.Stream != pipeline.Posts {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.posts == nil {
		m.posts = b.Record.Schema()
	}
	if now := b.Record.Schema(); !slices.EqualFunc(m.posts.Fields(), now.Fields(), arrow.Field.Equal) && m.err == nil {
		m.err = fmt.Errorf("key %s: posts are of %s, and were of %s", key, now, m.posts)
	}
}

func (m *MemorySink) keep(key pipeline.Key, rows [pipeline.NumStreams][]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.written == nil {
		m.written = map[pipeline.Key][pipeline.NumStreams][]string{}
	}
	if old, twice := m.written[key]; twice {
		for s := range rows {
			if !slices.Equal(old[s], rows[s]) && m.err == nil {
				m.err = fmt.Errorf("key %s was written twice with different %s: %d rows, then %d", key, pipeline.Stream(s), len(old[s]), len(rows[s]))
			}
		}
		return
	}
	m.written[key] = rows
}

func (m *MemorySink) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
}

// Err returns the first breach of the sink's contract.
func (m *MemorySink) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Rows returns all rows of a stream, sorted, since epochs may be cut anywhere.
func (m *MemorySink) Rows(s pipeline.Stream) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, w := range m.written {
		out = append(out, w[s]...)
	}
	slices.Sort(out)
	return out
}

// Keys returns the number of epochs written.
func (m *MemorySink) Keys() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.written)
}

// Tally is a stateful operator kind "tally", keyed by author_id: it adds the
// column tally, the number of the author's posts so far (or, by sum, the sum of
// a column of theirs), and whenever the
// watermark moves it emits a detection for each author who had posts since.
func Tally() pipeline.Factory {
	return pipeline.OperatorFactory(pipeline.Factory{Name: "tally", Summary: "Counts posts by author."},
		func() tallyConfig { return tallyConfig{Column: "tally"} },
		func(bc pipeline.BuildContext, c *tallyConfig, in *arrow.Schema) (pipeline.Plan, error) {
			key, err := pipeline.Column(in, pipeline.ColAuthorID, arrow.BinaryTypes.String)
			if err != nil {
				return nil, err
			}
			sum := -1
			if c.Sum != "" {
				if sum, err = pipeline.Column(in, c.Sum, arrow.PrimitiveTypes.Uint32); err != nil {
					return nil, err
				}
			}
			out, err := pipeline.AppendFields(in, arrow.Field{Name: c.Column, Type: arrow.PrimitiveTypes.Uint32})
			return tallyPlan{bc.Mem, key, sum, out}, err
		})
}

type tallyConfig struct {
	Column string `koanf:"column" doc:"name of the column"`
	Sum    string `koanf:"sum" doc:"column to add up; none to count posts"`
}

type tallyPlan struct {
	mem memory.Allocator
	key int
	sum int // position; -1 for none
	out *arrow.Schema
}

func (p tallyPlan) Key() int                 { return p.key }
func (p tallyPlan) Output() *arrow.Schema    { return p.out }
func (p tallyPlan) Emits() []pipeline.Stream { return []pipeline.Stream{pipeline.Detections} }
func (p tallyPlan) New() pipeline.Operator {
	return &tally{tallyPlan: p, Total: map[string]uint32{}, Fresh: map[string]uint32{}}
}

type tally struct {
	tallyPlan    `json:"-"`
	Total, Fresh map[string]uint32
}

func (o *tally) Process(_ context.Context, in pipeline.Batch, emit pipeline.Emit) error {
	keys, col := column.ViewStrings(in.Record.Column(o.key)), column.NewFixed[uint32](o.mem)
	for r := range in.Rows() {
		k, n := string(keys.At(r)), uint32(1)
		if o.sum >= 0 {
			n = in.Record.Column(o.sum).(*array.Uint32).Value(r)
		}
		o.Total[k] += n
		o.Fresh[k]++
		col.Append(o.Total[k])
	}
	return emit(pipeline.Batch{Record: column.Append(in.Record, o.out, col.NewArray(arrow.PrimitiveTypes.Uint32)), Stream: pipeline.Posts})
}

func (o *tally) Advance(_ context.Context, watermark time.Time, emit pipeline.Emit) error {
	if len(o.Fresh) == 0 {
		return nil
	}
	b := array.NewRecordBuilder(o.mem, pipeline.DetectionsSchema())
	defer b.Release()
	for _, k := range slices.Sorted(maps.Keys(o.Fresh)) {
		if err := appendRow(b, Row{"author_id": k, "rule_id": "tally", "rule_version": o.Fresh[k], "created_at": watermark.Format(time.RFC3339Nano)}); err != nil {
			return err
		}
	}
	clear(o.Fresh)
	return emit(pipeline.Batch{Record: b.NewRecord(), Stream: pipeline.Detections})
}

func (o *tally) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(o) }
func (o *tally) Restore(r io.Reader) error  { return json.NewDecoder(r).Decode(o) }
