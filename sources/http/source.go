package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"

	"github.com/sluicehq/sluice/internal/spool"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
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
	return &source{plan: p}, nil
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
	feed   *spool.Feed
	server *server

	reading context.Context // of the last Read
	unwatch func() bool     // ends the watch over it
}

// Open opens the spool, goes to the position in resume and begins to listen.
func (s *source) Open(_ context.Context, resume map[string]pipeline.Resume) error {
	sp, err := spool.Open(spool.Options{
		Dir: s.absolute(s.cfg.Spool.Path), SegmentBytes: int64(s.cfg.Spool.SegmentSize), MaxPending: int64(s.cfg.MaxPending),
		Remember: s.cfg.Spool.Remember, Fsync: s.cfg.Spool.Fsync, Logger: s.logger,
	})
	if err != nil {
		return fmt.Errorf("http: %w", err)
	}
	s.feed = &spool.Feed{Spool: sp, Partition: partition, Origin: "http" + s.cfg.Path, ChunkSize: int(s.cfg.ChunkSize)}
	if err := s.feed.Resume(resume); err != nil {
		return fmt.Errorf("http: %w", err)
	}
	s.server, err = s.listen()
	return err
}

// Read returns the next records of the spool.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if s.server == nil {
		return pipeline.Chunk{}, errors.New("http: Read before Open")
	}
	s.watch(ctx)
	c, err := s.feed.Read(ctx)
	return c, wrap(err)
}

// wrap names the source in an error of the spool.
func wrap(err error) error { return spool.Named("http", err) }

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
func (s *source) Commit(ctx context.Context, partition string, upTo pipeline.Position) error {
	return wrap(s.feed.Commit(ctx, partition, upTo))
}

// Keep deletes what is not needed any more.
func (s *source) Keep(_ context.Context, _ string, from pipeline.Position) error {
	return wrap(s.feed.Keep(from, math.MaxUint64))
}

// Close stops the server, answers who still waits, and closes the spool.
func (s *source) Close(ctx context.Context) error {
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.feed == nil {
		return nil
	}
	s.feed.Stop()
	if s.server != nil {
		s.server.close(ctx)
	}
	return wrap(s.feed.Close())
}

// Lag returns the bytes that wait in the spool.
func (s *source) Lag() (left, total int64, unit string, known bool) {
	if s.feed == nil {
		return 0, 0, "bytes", false
	}
	return s.feed.Lag()
}
