package generate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// partition is the name of the only partition.
const partition = "posts"

type plan struct {
	cfg    Config
	gen    *synth.Generator
	origin string
	decode pipeline.DecodePlan
}

func newPlan(bc pipeline.BuildContext, cfg *Config) (pipeline.SourcePlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	sc, err := cfg.synth()
	if err != nil {
		return nil, err
	}
	gen, err := synth.New(sc)
	if err != nil {
		return nil, err
	}
	d, err := decode.NewPlan(decodeConfig(), bc.Mem)
	if err != nil {
		return nil, fmt.Errorf("planning the plain format: %w", err)
	}
	return &plan{cfg: *cfg, gen: gen, origin: "generate/" + strconv.FormatUint(cfg.Seed, 10), decode: d}, nil
}

func (p *plan) Decode() pipeline.DecodePlan { return p.decode }

func (p *plan) New() (pipeline.Source, error) {
	end := p.gen.MaxRows()
	if p.cfg.Rows > 0 {
		end = p.cfg.Rows
	}
	s := &source{plan: p, gen: p.gen.Clone(), end: end, step: int64(p.cfg.ChunkRows)}
	if p.cfg.Rate > 0 {
		// A slow stream comes in twenty pieces a second, not in one.
		s.step = min(s.step, max(p.cfg.Rate/20, 1))
	}
	s.pool.New = func() any { return &buffer{} }
	return s, nil
}

// buffer is the memory of one chunk.
type buffer struct {
	data   []byte
	bounds []uint32
}

// source is the run half.
type source struct {
	*plan
	gen   *synth.Generator
	end   int64 // number of the row after the last
	step  int64 // rows of a full chunk
	pool  sync.Pool
	open  bool
	next  atomic.Int64 // number of the next row
	until []int64      // ends of recorded epochs that are still ahead, ascending

	// With a rate: row from is due at began, and each further one 1/rate later.
	from  int64
	began atomic.Pointer[time.Time] // nil before the first Read
}

// Open goes to the position in resume, if there is one.
func (s *source) Open(_ context.Context, resume map[string]pipeline.Resume) error {
	for name := range resume {
		if name != partition {
			return fmt.Errorf("generate: the checkpoint names partition %q, but there is only %q: it is of another source", name, partition)
		}
	}
	r := resume[partition]
	at, err := s.parse(r.From)
	if err != nil {
		return err
	}
	last := at
	for _, u := range r.Until {
		row, err := s.parse(u)
		if err != nil {
			return err
		}
		if row < last {
			return fmt.Errorf("generate: the checkpoint's epoch ends go back from post %d to %d", last, row)
		}
		last = row
		s.until = append(s.until, row)
	}
	s.from = at
	s.next.Store(at)
	s.open = true
	return nil
}

// parse reads a position: the number of the next row in decimal.
func (s *source) parse(p pipeline.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != string(p) {
		return 0, fmt.Errorf("generate: %q is no position of this source: want the number of a post", p)
	}
	if n > s.end {
		return 0, fmt.Errorf("generate: position %d is after the last post, %d: raise rows or remove the checkpoint", n, s.end)
	}
	return n, nil
}

func position(n int64) pipeline.Position {
	if n == 0 {
		return "" // the beginning
	}
	return pipeline.Position(strconv.FormatInt(n, 10))
}

// Read makes the next chunk; with a rate it waits until its last row is due.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if !s.open {
		return pipeline.Chunk{}, errors.New("generate: Read before Open")
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Chunk{}, err
	}
	from := s.next.Load()
	if from >= s.end {
		return pipeline.Chunk{}, io.EOF
	}
	to := s.cut(from)
	if s.cfg.Rate > 0 {
		if err := s.wait(ctx, to); err != nil {
			return pipeline.Chunk{}, err
		}
	}
	c := s.chunk(from, to)
	s.next.Store(to)
	return c, nil
}

// cut returns where the chunk that starts at from ends: after a step, at the
// end of a recorded epoch, or at the end of all.
func (s *source) cut(from int64) int64 {
	to := min(from+s.step, s.end)
	for len(s.until) > 0 && s.until[0] <= from {
		s.until = s.until[1:]
	}
	if len(s.until) > 0 {
		to = min(to, s.until[0])
	}
	return to
}

// chunk makes rows [from, to).
func (s *source) chunk(from, to int64) pipeline.Chunk {
	b := s.pool.Get().(*buffer)
	b.data = b.data[:0]
	b.bounds = slices.Grow(b.bounds[:0], int(to-from)+1)
	for i := from; i < to; i++ {
		b.bounds = append(b.bounds, uint32(len(b.data)))
		b.data = s.gen.AppendRow(b.data, i)
	}
	b.bounds = append(b.bounds, uint32(len(b.data)))
	return pipeline.Chunk{
		Span:    pipeline.Span{Partition: partition, From: position(from), To: position(to)},
		Origin:  s.origin,
		Offset:  from,
		Data:    b.data,
		Bounds:  b.bounds,
		Records: int(to - from),
		ReleaseFunc: func() {
			s.pool.Put(b)
		},
	}
}

// wait returns when the row before row is due. A source that was held up does
// not wait until it has caught up.
func (s *source) wait(ctx context.Context, row int64) error {
	began := s.began.Load()
	if began == nil {
		now := time.Now()
		began = &now
		s.began.Store(began)
	}
	left := time.Until(began.Add(s.after(row - s.from)))
	if left <= 0 {
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// after returns how long n rows take at the rate, at most 250 years.
func (s *source) after(n int64) time.Duration {
	const most = 250 * 365 * 24 * 3600
	seconds := min(n/s.cfg.Rate, most)
	return time.Duration(seconds)*time.Second + time.Duration(n%s.cfg.Rate*int64(time.Second)/s.cfg.Rate)
}

// Commit does nothing: the checkpoint keeps the position.
func (s *source) Commit(context.Context, string, pipeline.Position) error { return nil }

// Close frees nothing that the garbage collector would not.
func (s *source) Close(context.Context) error { return nil }

// Lag returns the posts that are left of a finite source, or those that are
// due of an endless one with a rate. It is not known of an endless one without.
func (s *source) Lag() (left, total int64, unit string, known bool) {
	const records = "records"
	at := s.next.Load()
	if s.cfg.Rows > 0 {
		return s.end - at, s.end, records, true
	}
	if s.cfg.Rate == 0 {
		return 0, 0, records, false
	}
	began := s.began.Load()
	if began == nil {
		return 0, 0, records, true
	}
	due := s.from + int64(time.Since(*began).Seconds()*float64(s.cfg.Rate))
	return max(min(due, s.end)-at, 0), 0, records, true
}
