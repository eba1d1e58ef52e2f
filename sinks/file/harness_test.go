package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// memFS is a file system in memory that can run out of space, or stop dead in
// the middle of a write, as a process does that is killed.
type memFS struct {
	files map[string]*memFile
	space int64 // bytes that can be written before ENOSPC; < 0 is endless
	life  int64 // steps (a byte written, or a call) before it dies; < 0 is endless
	full  error
}

var errDead = errors.New("killed here")

type memFile struct{ data []byte }

type memHandle struct {
	fs   *memFS
	file *memFile
	at   int64
}

func newMemFS() *memFS { return &memFS{files: map[string]*memFile{}, space: -1, life: -1} }

// spend takes up to n steps of life and returns how many there were.
func (m *memFS) spend(n int64) (int64, error) {
	if m.life < 0 {
		return n, nil
	}
	if m.life < n {
		n, m.life = m.life, 0
		return n, errDead
	}
	m.life -= n
	return n, nil
}

func (m *memFS) fileSystem() fileSystem {
	return fileSystem{
		OpenFile: func(name string, flag int, _ fs.FileMode) (osFile, error) {
			if _, err := m.spend(1); err != nil {
				return nil, err
			}
			f := m.files[name]
			if f == nil {
				if flag&os.O_CREATE == 0 {
					return nil, fs.ErrNotExist
				}
				f = &memFile{}
				m.files[name] = f
			}
			if flag&os.O_TRUNC != 0 {
				f.data = nil
			}
			return &memHandle{fs: m, file: f}, nil
		},
		Rename: func(from, to string) error {
			if _, err := m.spend(1); err != nil {
				return err
			}
			m.files[to] = m.files[from]
			delete(m.files, from)
			return nil
		},
		Remove: func(name string) error {
			if _, err := m.spend(1); err != nil {
				return err
			}
			delete(m.files, name)
			return nil
		},
		Exists:   func(name string) (bool, error) { return m.files[name] != nil, nil },
		MkdirAll: func(string) error { return nil },
		SyncDir:  func(string) error { return nil },
		Lock:     func(osFile) error { return nil },
	}
}

func (h *memHandle) Read(p []byte) (int, error) {
	if h.at >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[h.at:])
	h.at += int64(n)
	return n, nil
}

func (h *memHandle) Write(p []byte) (int, error) {
	n, err := h.fs.spend(int64(len(p)))
	if h.fs.space >= 0 && n > h.fs.space {
		n, err = h.fs.space, h.fs.full
	}
	if h.fs.space >= 0 {
		h.fs.space -= n
	}
	h.file.data = append(h.file.data[:h.at], p[:n]...)
	h.at += n
	return int(n), err
}

func (h *memHandle) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += int64(len(h.file.data))
	}
	h.at = offset
	return offset, nil
}

func (h *memHandle) Truncate(size int64) error {
	if _, err := h.fs.spend(1); err != nil {
		return err
	}
	h.file.data = h.file.data[:size]
	return nil
}

func (h *memHandle) Sync() error {
	_, err := h.fs.spend(1)
	return err
}

func (h *memHandle) Close() error { return nil }

// contents describes the data files: all but journals.
func (m *memFS) contents() map[string]string {
	out := map[string]string{}
	for name, f := range m.files {
		if !strings.HasSuffix(name, ".journal") && !strings.HasSuffix(name, ".tmp") && len(f.data) > 0 {
			out[name] = string(f.data)
		}
	}
	return out
}

func diff(got, want map[string]string) string {
	var out []string
	for name, w := range want {
		if g := got[name]; g != w {
			out = append(out, fmt.Sprintf("%s: %d bytes, want %d", name, len(g), len(w)))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			out = append(out, name+": not wanted")
		}
	}
	sort.Strings(out)
	return strings.Join(out, "; ")
}

func testSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "created_at", Type: pipeline.Timestamp},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "hits.term", Type: pipeline.ListOf(arrow.BinaryTypes.String)},
	}, nil)
}

// testRecord has rows that depend on seed only.
func testRecord(schema *arrow.Schema, seed uint64, rows int) arrow.Record {
	rng := rand.New(rand.NewPCG(seed, 5))
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for row := range rows {
		for i := range schema.NumFields() {
			switch fb := b.Field(i).(type) {
			case *array.StringBuilder:
				fb.Append(fmt.Sprintf("post \"%d\" of %d", row, seed))
			case *array.TimestampBuilder:
				fb.Append(arrow.Timestamp(rng.Int64N(1 << 40)))
			case *array.Int32Builder:
				fb.Append(1)
			case *array.Int64Builder:
				if rng.IntN(2) == 0 {
					fb.AppendNull()
				} else {
					fb.Append(rng.Int64())
				}
			case *array.ListBuilder:
				fb.Append(true)
				for range rng.IntN(3) {
					fb.ValueBuilder().(*array.StringBuilder).Append("term")
				}
			}
		}
	}
	return b.NewRecord()
}

func testKey(partition string, n int) pipeline.Key {
	return pipeline.Key{Pipeline: "p", Sink: "f", Span: pipeline.Span{
		Partition: partition, From: pipeline.Position(fmt.Sprint(n)), To: pipeline.Position(fmt.Sprint(n + 1)),
	}}
}

// epoch is a write of the tests.
type epoch struct {
	key pipeline.Key
	in  []pipeline.Batch
}

// testEpochs are epochs of two partitions in turn, each with rows of two
// streams in several batches, and one empty epoch.
func testEpochs(n int) []epoch {
	var out []epoch
	schema := testSchema()
	for i := range n {
		e := epoch{key: testKey(fmt.Sprintf("posts/%d", i%2), i)}
		if i != 3 {
			e.in = []pipeline.Batch{
				{Record: testRecord(schema, uint64(10*i), 3+i%4)},
				{Record: testRecord(schema, uint64(10*i+1), 0)},
				{Record: testRecord(schema, uint64(10*i+2), 2)},
				{Record: testRecord(schema, uint64(10*i+3), 1), Stream: pipeline.Detections},
			}
		}
		out = append(out, e)
	}
	return out
}

func testPlan(t testing.TB, cfg Config) *plan {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	bc := pipeline.BuildContext{Name: "files", Dir: "/data", Logger: slog.New(slog.DiscardHandler)}
	p, err := Factory().PlanSink(bc, &cfg, pipeline.Schemas{testSchema(), testSchema(), nil})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*plan)
}

func openOn(t testing.TB, p *plan, m *memFS) (*Sink, error) {
	t.Helper()
	s, err := newSink(p, m.fileSystem())
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Open(t.Context())
}
