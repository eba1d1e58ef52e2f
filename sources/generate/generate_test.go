package generate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/reference"
	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func build(t testing.TB, mem memory.Allocator, set func(*Config)) pipeline.SourcePlan {
	t.Helper()
	f := Factory()
	cfg := f.NewConfig().(*Config)
	if set != nil {
		set(cfg)
	}
	p, err := f.PlanSource(pipeline.BuildContext{Pipeline: "p", Name: "generate", Mem: mem, Logger: slog.New(slog.DiscardHandler)}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t testing.TB, set func(*Config), resume pipeline.Resume) pipeline.Source {
	t.Helper()
	s, err := build(t, memory.DefaultAllocator, set).New()
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]pipeline.Resume
	if resume.From != "" || resume.Until != nil {
		r = map[string]pipeline.Resume{partition: resume}
	}
	if err := s.Open(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// readAll reads to the end and returns the records as lines, and the spans.
func readAll(t testing.TB, s pipeline.Source) (lines []byte, spans []pipeline.Span) {
	t.Helper()
	for {
		c, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return lines, spans
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Bounds) != c.Records+1 || position(c.Offset) != c.Span.From || position(c.Offset+int64(c.Records)) != c.Span.To {
			t.Fatalf("chunk of %d records and %d bounds at %d has span %+v", c.Records, len(c.Bounds), c.Offset, c.Span)
		}
		for i := range c.Records {
			lines = append(append(lines, c.Data[c.Bounds[i]:c.Bounds[i+1]]...), '\n')
		}
		spans = append(spans, c.Span)
		c.Release()
	}
}

func TestFactoryIsFitForTheReference(t *testing.T) {
	if err := (reference.Catalog{Sources: []pipeline.Factory{Factory()}}).Check(); err != nil {
		t.Error(err)
	}
}

func TestReadsWhatSynthWrites(t *testing.T) {
	got, spans := readAll(t, open(t, func(c *Config) { c.Rows = 5000; c.Seed = 9 }, pipeline.Resume{}))
	cfg := synth.DefaultConfig()
	cfg.Seed = 9
	var want bytes.Buffer
	if err := synth.Write(&want, cfg, 0, 5000); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("the source's rows are not those of synth.Write")
	}
	if spans[0].From != "" || spans[len(spans)-1].To != "5000" {
		t.Errorf("spans %+v", spans)
	}
	for i := range spans[1:] {
		if spans[i].To != spans[i+1].From {
			t.Errorf("a gap between %+v and %+v", spans[i], spans[i+1])
		}
	}
}

// From any position the rest is the same, and no chunk goes over an epoch's end.
func TestResume(t *testing.T) {
	const rows = 6000
	set := func(c *Config) { c.Rows = rows; c.ChunkRows = 700 }
	whole, _ := readAll(t, open(t, set, pipeline.Resume{}))
	lines := bytes.SplitAfter(whole, []byte("\n"))
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		from := r.Int64N(rows)
		until := []int64{from + r.Int64N(rows-from+1)}
		until = append(until, until[0]+r.Int64N(rows-until[0]+1))
		got, spans := readAll(t, open(t, set, pipeline.Resume{
			From: position(from), Until: []pipeline.Position{position(until[0]), position(until[1])},
		}))
		if !bytes.Equal(got, bytes.Join(lines[from:], nil)) {
			t.Fatalf("from %d: other rows", from)
		}
		ends := map[pipeline.Position]bool{position(from): true}
		for _, s := range spans {
			ends[s.To] = true
		}
		for _, u := range until {
			if !ends[position(u)] {
				t.Errorf("from %d: no chunk ends at %d: %v", from, u, spans)
			}
		}
	}
	if got, _ := readAll(t, open(t, set, pipeline.Resume{From: position(rows)})); len(got) != 0 {
		t.Errorf("%d bytes after the end", len(got))
	}
}

func TestOpenRefusesForeignPositions(t *testing.T) {
	for _, c := range []struct {
		partition string
		resume    pipeline.Resume
		want      string
	}{
		{"topic/3", pipeline.Resume{From: "5"}, `partition "topic/3"`},
		{partition, pipeline.Resume{From: "x"}, `"x" is no position`},
		{partition, pipeline.Resume{From: "-5"}, `"-5" is no position`},
		{partition, pipeline.Resume{From: "+5"}, `"+5" is no position`},
		{partition, pipeline.Resume{From: "101"}, "after the last post, 100"},
		{partition, pipeline.Resume{From: "5", Until: []pipeline.Position{"9", "7"}}, "go back from post 9 to 7"},
		{partition, pipeline.Resume{From: "5", Until: []pipeline.Position{"9e"}}, `"9e" is no position`},
	} {
		s, err := build(t, memory.DefaultAllocator, func(c *Config) { c.Rows = 100 }).New()
		if err != nil {
			t.Fatal(err)
		}
		err = s.Open(t.Context(), map[string]pipeline.Resume{c.partition: c.resume})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %s", c.resume, err, c.want)
		}
		if _, err := s.Read(t.Context()); err == nil {
			t.Error("Read works after a failed Open")
		}
	}
}

// With a rate, rows come when they are due by the clock, and lag counts those
// that are due and unread.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) { c.Rate = 1000 }, pipeline.Resume{From: "500"})
		start, got := time.Now(), 0
		for got < 5000 {
			c, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Records != 50 {
				t.Fatalf("%d records at a time, want 50", c.Records)
			}
			got += c.Records
			c.Release()
			if d, want := time.Since(start), time.Duration(got)*time.Millisecond; d < want || d > want+time.Millisecond {
				t.Fatalf("%d rows after %s, want %s", got, d, want)
			}
		}
		time.Sleep(2 * time.Second)
		lag := s.(pipeline.Lagger)
		if left, total, unit, known := lag.Lag(); left != 2000 || total != 0 || unit != "records" || !known {
			t.Errorf("lag %d of %d %s %v, want 2000 records", left, total, unit, known)
		}
		before := time.Now()
		for range 40 { // what is overdue comes at once
			c, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.Release()
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("catching up took %s", d)
		}
		if left, _, _, _ := lag.Lag(); left != 0 {
			t.Errorf("lag %d after catching up", left)
		}
	})
}

// A wait ends with the context and loses nothing.
func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) { c.Rate = 1 }, pipeline.Resume{})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := s.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if d := time.Since(start); d != 300*time.Millisecond {
			t.Errorf("ended after %s", d)
		}
		c, err := s.Read(t.Context())
		if err != nil || c.Span.From != "" || c.Span.To != "1" {
			t.Errorf("chunk %+v, error %v, want the first row", c.Span, err)
		}
		c.Release()
		if d := time.Since(start); d != time.Second {
			t.Errorf("the first row came after %s, want 1s", d)
		}
	})
}

func TestLag(t *testing.T) {
	s := open(t, func(c *Config) { c.Rows = 3000; c.ChunkRows = 1000 }, pipeline.Resume{})
	lag := s.(pipeline.Lagger)
	if left, total, _, known := lag.Lag(); left != 3000 || total != 3000 || !known {
		t.Errorf("lag %d of %d, %v", left, total, known)
	}
	c, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Release()
	if left, _, _, _ := lag.Lag(); left != 2000 {
		t.Errorf("lag %d, want 2000", left)
	}
	if _, _, _, known := open(t, nil, pipeline.Resume{}).(pipeline.Lagger).Lag(); known {
		t.Error("the lag of an endless source without rate is known")
	}
}

// Every row passes the decoder, and the truth is in its columns.
func TestDecode(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	const rows = 20_000
	p := build(t, mem, func(c *Config) { c.Rows = rows; c.Start = "2150-06-01T00:00:00Z" })
	s, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	d := p.Decode().New()
	kinds, got := map[string]int{}, 0
	kind, err := pipeline.Column(p.Decode().Output(), "truth_kind", pipeline.PostsSchema().Field(0).Type)
	if err != nil {
		t.Fatal(err)
	}
	offset := p.Decode().Output().FieldIndices(pipeline.ColSourceOffset)[0]
	for {
		c, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		err = d.Decode(t.Context(), &c, func(b pipeline.Batch) error {
			defer b.Record.Release()
			if b.Stream != pipeline.Posts {
				t.Fatalf("a row was rejected: %v", b.Record)
			}
			col := b.Record.Column(kind).(*array.String)
			at := b.Record.Column(offset).(*array.Int64)
			for i := range b.Rows() {
				if at.Value(i) != int64(got) {
					t.Fatalf("row %d has source_offset %d", got, at.Value(i))
				}
				kinds[col.Value(i)]++
				got++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	if got != rows || kinds["campaign"] < rows/60 || kinds["organic"] < rows*9/10 || len(kinds) != 7 {
		t.Errorf("%d rows: %v", got, kinds)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		path string
		set  func(*Config)
	}{
		{"start", func(c *Config) { c.Start = "yesterday" }},
		{"start", func(c *Config) { c.Start = "1969-01-01T00:00:00Z" }},
		{"rows", func(c *Config) { c.Rows = -1 }},
		{"rows", func(c *Config) { c.Rows = 1 << 60 }},
		{"rate", func(c *Config) { c.Rate = -1 }},
		{"chunk_rows", func(c *Config) { c.ChunkRows = 0 }},
		{"shares.news", func(c *Config) { c.Shares.News = 7 }},
		{"campaigns.posts", func(c *Config) { c.Campaigns.Posts = -1 }},
	} {
		f := Factory()
		cfg := f.NewConfig().(*Config)
		c.set(cfg)
		_, err := f.PlanSource(pipeline.BuildContext{Mem: memory.DefaultAllocator, Logger: slog.New(slog.DiscardHandler)}, cfg)
		var fe *pipeline.FieldError
		if !errors.As(err, &fe) || fe.Path != c.path {
			t.Errorf("%s: error %v", c.path, err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := open(b, nil, pipeline.Resume{})
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		c, err := s.Read(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		rows += c.Records
		c.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
