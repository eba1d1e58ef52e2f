package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
	"github.com/sluicehq/sluice/sources/http/spool"
)

// partition is the name of the only partition.
const partition = "requests"

type plan struct {
	cfg    Config
	dir    string
	logger *slog.Logger
	decode pipeline.DecodePlan
}

func newPlan(bc pipeline.BuildContext, cfg *Config) (pipeline.SourcePlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := decode.NewPlan(cfg.Config, bc.Mem)
	if err != nil {
		return nil, err
	}
	logger := bc.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &plan{cfg: *cfg, dir: bc.Dir, logger: logger, decode: d}, nil
}

func (p *plan) Decode() pipeline.DecodePlan { return p.decode }

func (p *plan) New() (pipeline.Source, error) {
	s := &source{plan: p}
	s.pool.New = func() any { return &spool.Batch{} }
	return s, nil
}

func (p *plan) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.dir, path)
}

// source is the run half.
type source struct {
	*plan
	pool   sync.Pool
	spool  *spool.Spool
	reader *spool.Reader
	server *server

	end   pipeline.Position // of what was read
	next  uint64            // number of the next record
	until []uint64          // ends of recorded epochs that are still ahead, ascending

	reading context.Context // of the last Read
	unwatch func() bool     // ends the watch over it
}

// Open opens the spool, goes to the position in resume and begins to listen.
func (s *source) Open(_ context.Context, resume map[string]pipeline.Resume) (err error) {
	for name := range resume {
		if name != partition {
			return fmt.Errorf("http: the checkpoint names partition %q, but there is only %q: it is of another source", name, partition)
		}
	}
	dir := s.absolute(s.cfg.Spool.Path)
	s.spool, err = spool.Open(spool.Options{
		Dir: dir, SegmentBytes: int64(s.cfg.Spool.SegmentSize), MaxPending: int64(s.cfg.MaxPending),
		Remember: s.cfg.Spool.Remember, Fsync: s.cfg.Spool.Fsync, Logger: s.logger,
	})
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	if err := s.resume(resume[partition], dir); err != nil {
		return err
	}
	s.reader = s.spool.NewReader(s.next)
	s.server, err = s.listen()
	return err
}

// resume finds where to go on.
func (s *source) resume(r pipeline.Resume, dir string) error {
	first, next := s.spool.Range()
	s.end, s.next = r.From, first
	if r.From != "" {
		at, err := s.parse(r.From, dir)
		if err != nil {
			return err
		}
		if at < first || at > next {
			return fmt.Errorf("http: the checkpoint is at record %d, but the spool %s holds %d to %d: bring back the spool that belongs to the checkpoint, or move both away", at, dir, first, next)
		}
		s.next = at
	}
	last := s.next
	for _, u := range r.Until {
		at, err := s.parse(u, dir)
		if err != nil {
			return err
		}
		if at < last || at > next {
			return fmt.Errorf("http: an epoch that was begun ends at record %d, but the spool %s holds %d to %d: bring back the spool that belongs to the checkpoint, or move both away", at, dir, first, next)
		}
		last = at
		s.until = append(s.until, at)
	}
	s.spool.Commit(s.next)
	return nil
}

// position writes where a record is: its number, and the id of its spool, so
// that the records of another spool are not taken for those of this one.
func (s *source) position(n uint64) pipeline.Position {
	if n == 0 {
		return "" // the beginning
	}
	return pipeline.Position(fmt.Sprintf("%d:%016x", n, s.spool.ID()))
}

func (s *source) parse(p pipeline.Position, dir string) (uint64, error) {
	number, id, ok := strings.Cut(string(p), ":")
	n, err := strconv.ParseUint(number, 10, 64)
	spoolID, ierr := strconv.ParseUint(id, 16, 64)
	if !ok || err != nil || ierr != nil || len(id) != 16 {
		return 0, fmt.Errorf("http: %q is no position of this source: was the checkpoint written by another one?", p)
	}
	if spoolID != s.spool.ID() {
		return 0, fmt.Errorf("http: the checkpoint is at record %d of the spool %s, but %s is the spool %016x: bring back the one that belongs to the checkpoint; or move the checkpoint away, and what was in the old spool is not written",
			n, id, dir, s.spool.ID())
	}
	return n, nil
}

// Read returns the next records of the spool.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if s.reader == nil {
		return pipeline.Chunk{}, errors.New("http: Read before Open")
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Chunk{}, err
	}
	s.watch(ctx)
	for len(s.until) > 0 && s.until[0] <= s.next {
		s.until = s.until[1:]
	}
	stop := uint64(0)
	if len(s.until) > 0 {
		stop = s.until[0]
	}
	b := s.pool.Get().(*spool.Batch)
	if err := s.reader.Next(ctx, int(s.cfg.ChunkSize), stop, b); err != nil {
		s.pool.Put(b)
		return pipeline.Chunk{}, err
	}
	from := s.end
	s.next = b.First + uint64(b.Records())
	s.end = s.position(s.next)
	return pipeline.Chunk{
		Span:   pipeline.Span{Partition: partition, From: from, To: s.end},
		Origin: "http" + s.cfg.Path, Offset: int64(b.First),
		Data: b.Data, Bounds: b.Bounds, Records: b.Records(),
		ReleaseFunc: func() { s.pool.Put(b) },
	}, nil
}

// watch refuses requests when the context of Read has ended: what comes then
// would wait for the next run. Another Read takes them again.
func (s *source) watch(ctx context.Context) {
	if s.reading == ctx {
		return
	}
	if s.unwatch != nil {
		s.unwatch()
	}
	s.server.refusing.Store(false)
	s.reading, s.unwatch = ctx, context.AfterFunc(ctx, s.server.refuse)
}

// Commit answers the requests whose records are durable.
func (s *source) Commit(_ context.Context, _ string, upTo pipeline.Position) error {
	n, err := s.number(upTo)
	if err == nil {
		s.spool.Commit(n)
	}
	return err
}

// Keep deletes what is not needed any more.
func (s *source) Keep(_ context.Context, _ string, from pipeline.Position) error {
	n, err := s.number(from)
	if err == nil {
		err = s.spool.Keep(n)
	}
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

func (s *source) number(p pipeline.Position) (uint64, error) {
	if p == "" {
		return 0, nil
	}
	return s.parse(p, s.cfg.Spool.Path)
}

// Close stops the server, answers who still waits, and closes the spool.
func (s *source) Close(ctx context.Context) error {
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.spool == nil {
		return nil
	}
	s.spool.Stop()
	if s.server != nil {
		s.server.close(ctx)
	}
	if s.reader != nil {
		s.reader.Close()
	}
	return s.spool.Close()
}

// Lag returns the bytes that wait in the spool.
func (s *source) Lag() (left, total int64, unit string, known bool) {
	return s.spool.Pending(), 0, "bytes", true
}
