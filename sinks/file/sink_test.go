package file

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/pipeline"
)

// ways are the configurations that every test of behaviour runs with.
func ways() map[string]Config {
	return map[string]Config{
		"jsonl":           {Path: "{stream}.jsonl", Format: "jsonl", Compression: "none", Fsync: true},
		"jsonl partition": {Path: "{partition}/{stream}.jsonl", Format: "jsonl", Compression: "none", Fsync: true},
		"jsonl gzip":      {Path: "{stream}.jsonl.gz", Format: "jsonl", Compression: "gzip"},
		"jsonl zstd rows": {Path: "{stream}.jsonl.zst", Format: "jsonl", Compression: "zstd", RotateRows: 10, Fsync: true},
		"jsonl bytes":     {Path: "{stream}-{part}.jsonl", Format: "jsonl", Compression: "none", RotateBytes: 900},
		"arrow":           {Path: "{stream}.arrows", Format: "arrow", Compression: "none", Fsync: true},
		"arrow zstd rows": {Path: "{stream}/{partition}.arrows", Format: "arrow", Compression: "zstd", RotateRows: 7},
		"parquet":         {Path: "{stream}/{partition}.parquet", Format: "parquet", Compression: "zstd", Fsync: true},
		"parquet gzip":    {Path: "{stream}-{partition}-{epoch}.parquet", Format: "parquet", Compression: "gzip"},
	}
}

// undisturbed writes the epochs and returns what the files hold.
func undisturbed(t *testing.T, p *plan, epochs []epoch) map[string]string {
	t.Helper()
	m := newMemFS()
	s, err := openOn(t, p, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range epochs {
		if err := s.Write(t.Context(), e.key, e.in); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m.contents()
}

// TestRows reads every format back with its own reader.
func TestRows(t *testing.T) {
	epochs := testEpochs(9)
	var want [pipeline.NumStreams][]string
	for _, e := range epochs {
		for _, b := range e.in {
			want[b.Stream] = append(want[b.Stream], ids(b.Record)...)
		}
	}
	for name, cfg := range ways() {
		t.Run(name, func(t *testing.T) {
			var got [pipeline.NumStreams]int
			seen := map[string]int{}
			files := undisturbed(t, testPlan(t, cfg), epochs)
			for path, data := range files {
				stream := pipeline.Posts
				if strings.Contains(path, "detections") {
					stream = pipeline.Detections
				}
				rows := readBack(t, cfg, data)
				got[stream] += len(rows)
				for _, id := range rows {
					seen[fmt.Sprint(stream, id)]++
				}
			}
			for stream, ids := range want {
				if got[stream] != len(ids) {
					t.Errorf("%s: %d rows, want %d", pipeline.Stream(stream), got[stream], len(ids))
				}
				for _, id := range ids {
					if seen[fmt.Sprint(pipeline.Stream(stream), id)] != 1 {
						t.Errorf("%s: row %q is there %d times", pipeline.Stream(stream), id, seen[fmt.Sprint(pipeline.Stream(stream), id)])
					}
				}
			}
			if cfg.rotates() && len(files) < 4 {
				t.Errorf("%d files: it has not rotated", len(files))
			}
		})
	}
}

func ids(rec arrow.Record) []string {
	var out []string
	for i := range int(rec.NumRows()) {
		out = append(out, rec.Column(0).(*array.String).Value(i))
	}
	return out
}

// readBack returns the ids in a file, with a reader that is not ours.
func readBack(t *testing.T, cfg Config, data string) []string {
	t.Helper()
	var in io.Reader = strings.NewReader(data)
	var err error
	switch {
	case cfg.Format == "parquet":
		return readParquet(t, data)
	case cfg.Format == "arrow":
		r, err := ipc.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		var out []string
		for r.Next() {
			out = append(out, ids(r.Record())...)
		}
		if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return out
	case cfg.Compression == "gzip":
		in, err = gzip.NewReader(in)
	case cfg.Compression == "zstd":
		in, err = zstd.NewReader(in)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for d := json.NewDecoder(in); ; {
		var row map[string]any
		if err := d.Decode(&row); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, row["id"].(string))
	}
}

func readParquet(t *testing.T, data string) []string {
	t.Helper()
	f, err := file.NewParquetReader(bytes.NewReader([]byte(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.NumRowGroups() != 1 {
		t.Errorf("%d row groups", f.NumRowGroups())
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := r.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	var out []string
	for _, chunk := range tbl.Column(0).Data().Chunks() {
		for i := range chunk.Len() {
			out = append(out, chunk.(*array.String).Value(i))
		}
	}
	return out
}

// TestKilled kills the writer after any number of bytes and calls, several
// times in one run, and writes again from the epoch that was not acknowledged,
// or from an earlier one: the files are those of an undisturbed run.
func TestKilled(t *testing.T) {
	epochs := testEpochs(9)
	for name, cfg := range ways() {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t, cfg)
			want := undisturbed(t, p, epochs)
			rng := rand.New(rand.NewPCG(7, 7))
			rounds := 60
			if cfg.Format == "parquet" {
				rounds = 4 // its writer is slow to set up
			}
			for round := range rounds {
				m := newMemFS()
				next, kills := 0, 0
				for next < len(epochs) {
					m.life = -1
					if kills < 6 {
						m.life = rng.Int64N(int64(1) << (3 + rng.IntN(11)))
						kills++
					}
					next = max(0, next-rng.IntN(3)) // the checkpoint may lag behind
					next = run(t, p, m, epochs, next)
				}
				m.life = -1
				if d := diff(m.contents(), want); d != "" {
					t.Fatalf("round %d: %s", round, d)
				}
			}
		})
	}
}

// run writes until the file system dies, and returns the first epoch that was
// not acknowledged.
func run(t *testing.T, p *plan, m *memFS, epochs []epoch, next int) int {
	t.Helper()
	s, err := openOn(t, p, m)
	for err == nil && next < len(epochs) {
		if err = s.Write(t.Context(), epochs[next].key, epochs[next].in); err == nil {
			next++
		}
	}
	if err != nil && !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	return next
}

// TestFullDisk runs out of space at any byte: the error is retryable, and the
// same sink goes on when there is room.
func TestFullDisk(t *testing.T) {
	epochs := testEpochs(6)
	for name, cfg := range ways() {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t, cfg)
			want := undisturbed(t, p, epochs)
			step := int64(97)
			if cfg.Format == "parquet" {
				step = 1500
			}
			for space := int64(0); space < 9_000; space += step {
				m := newMemFS()
				m.full = syscall.ENOSPC
				m.space = space
				s, err := openOn(t, p, m)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range epochs {
					if err := s.Write(t.Context(), e.key, e.in); err != nil {
						if _, ok := pipeline.IsRetryable(err); !ok {
							t.Fatalf("permanent: %v", err)
						}
						m.space = -1
						if err := s.Write(t.Context(), e.key, e.in); err != nil {
							t.Fatal(err)
						}
					}
				}
				if d := diff(m.contents(), want); d != "" {
					t.Fatalf("space %d: %s", space, d)
				}
			}
		})
	}
}

// TestDevFull meets the real thing.
func TestDevFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "posts.jsonl")); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Path: filepath.Join(dir, "{stream}.jsonl"), Format: "jsonl", Compression: "none"}
	s, err := testPlan(t, cfg).New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), testKey("0", 0), testEpochs(1)[0].in)
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
}

// TestErrors shows the messages for what people do to files.
func TestErrors(t *testing.T) {
	epochs := testEpochs(3)
	cfg := Config{Path: "{stream}.arrows", Format: "arrow", Compression: "none"}
	const posts, log = "/data/posts.arrows", "/data/posts.arrows.journal"
	for _, c := range []struct {
		name   string
		change func(m *memFS)
		want   string
	}{
		{
			"shortened", func(m *memFS) { m.files[posts].data = m.files[posts].data[:50] },
			"/data/posts.arrows has 50 bytes, its journal says ",
		},
		{
			"journal gone", func(m *memFS) { delete(m.files, log) },
			"/data/posts.arrows is there already and its journal posts.arrows.journal does not know it: move it away",
		},
		{
			"journal damaged", func(m *memFS) { m.files[log].data[3] ^= 1 },
			"/data/posts.arrows.journal: the line at byte 0 is damaged",
		},
		{"other columns", func(m *memFS) {
			lines := bytes.SplitAfter(m.files[log].data, []byte("\n"))
			e, ok := parseEntry(lines[len(lines)-2])
			if !ok {
				panic("not an entry")
			}
			e.Schema = "another"
			m.files[log].data, _ = appendEntry(nil, e)
		}, "/data/posts.arrows begins with other columns than the pipeline has now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemFS()
			p := testPlan(t, cfg)
			run(t, p, m, epochs[:2], 0)
			c.change(m)
			s, err := openOn(t, p, m)
			if err == nil {
				err = s.Write(t.Context(), epochs[2].key, epochs[2].in)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if _, ok := pipeline.IsRetryable(err); ok {
				t.Errorf("retryable: %v", err)
			}
		})
	}
}

// TestRealFiles writes to a folder, twice at once and again after closing.
func TestRealFiles(t *testing.T) {
	dir := t.TempDir()
	epochs := testEpochs(4)
	cfg := Config{Path: filepath.Join(dir, "deep", "{partition}", "{stream}.jsonl"), Format: "jsonl", Compression: "none", Fsync: true}
	p := testPlan(t, cfg)
	for range 2 {
		s, err := p.New()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range epochs {
			if err := s.Write(t.Context(), e.key, e.in); err != nil {
				t.Fatal(err)
			}
		}
		other, err := p.New()
		if err != nil {
			t.Fatal(err)
		}
		err = other.Write(t.Context(), epochs[0].key, epochs[0].in)
		if err == nil || !strings.Contains(err.Error(), "another process writes here") {
			t.Errorf("two writers: %v", err)
		}
		if err := errors.Join(other.Close(t.Context()), s.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "deep", "posts%2F0", "posts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("\n")); n != 3+2+5+2 {
		t.Errorf("%d lines", n)
	}
}

// TestJournalCompacts keeps the last keys, and the file short.
func TestJournalCompacts(t *testing.T) {
	m := newMemFS()
	j, err := openJournal(m.fileSystem(), "j", true)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5*keptKeys + 10
	for i := range n {
		if err := j.add(entry{Key: fmt.Sprint("key ", i), Size: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openJournal(m.fileSystem(), "j", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range []*journal{j, again} {
		if j.last.Size != n-1 || !j.known[fmt.Sprint("key ", n-keptKeys)] || len(j.order) > 4*keptKeys {
			t.Errorf("last %+v, %d entries", j.last, len(j.order))
		}
	}
	if again.known["key 0"] {
		t.Error("the first key is still there")
	}
}

// TestSafe keeps names apart and inside their folder.
func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"posts/0": "posts%2F0", "..": "%2E.", "": "%", "a b": "a%20b", "x.jsonl": "x.jsonl", "ä": "%C3%A4",
	} {
		if got := safe(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("/", 100)
	if got := safe(long); len(got) != maxSafe || got == safe(long+"/") {
		t.Errorf("long name: %q", got)
	}
}

// FuzzJournal reads any bytes as a journal: it never panics, and what it takes
// for whole reads the same again.
func FuzzJournal(f *testing.F) {
	line, err := appendEntry(nil, entry{Key: "k", Part: 1, Size: 2, Rows: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(line, line[:9]...))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := newMemFS()
		m.files["j"] = &memFile{data: bytes.Clone(data)}
		j, err := openJournal(m.fileSystem(), "j", false)
		if err != nil {
			return
		}
		again, err := openJournal(m.fileSystem(), "j", false)
		if err != nil || again.size != j.size || len(again.order) != len(j.order) {
			t.Fatalf("%d bytes and %d entries, then %d and %d: %v", j.size, len(j.order), again.size, len(again.order), err)
		}
	})
}
