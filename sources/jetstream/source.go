package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/spool"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// partition is the name of the only partition.
const partition = "events"

type plan struct {
	cfg        Config
	dir        string
	logger     *slog.Logger
	decode     pipeline.DecodePlan
	dictionary []byte
}

func newPlan(bc pipeline.BuildContext, cfg *Config) (pipeline.SourcePlan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := decode.NewPlan(cfg.Config, bc.Mem)
	if err != nil {
		return nil, err
	}
	p := &plan{cfg: *cfg, dir: bc.Dir, logger: bc.Logger, decode: d}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Compress {
		if p.dictionary, err = bc.Files.ReadFile(cfg.Dictionary); err != nil {
			return nil, &pipeline.FieldError{Path: "dictionary", Err: err}
		}
		z, err := p.newZstd()
		if err != nil {
			return nil, &pipeline.FieldError{Path: "dictionary", Err: fmt.Errorf("%s is no zstd dictionary: %w", cfg.Dictionary, err)}
		}
		z.Close()
	}
	return p, nil
}

// newZstd returns the decoder of compressed frames.
func (p *plan) newZstd() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecoderDicts(p.dictionary))
}

func (p *plan) Decode() pipeline.DecodePlan { return p.decode }

func (p *plan) New() (pipeline.Source, error) { return &source{plan: p}, nil }

// source is the run half: one goroutine receives events and puts them into the
// spool, Read takes them from there.
type source struct {
	*plan
	feed   *spool.Feed
	cancel context.CancelFunc
	done   sync.WaitGroup
	oldest atomic.Uint64 // records from it on are needed to know events again
}

// Open opens the spool, goes to the position in resume and begins to receive.
func (s *source) Open(ctx context.Context, resume map[string]pipeline.Resume) error {
	path := s.cfg.Spool.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	sp, err := spool.Open(spool.Options{
		Dir: path, SegmentBytes: int64(s.cfg.Spool.SegmentSize), MaxPending: int64(s.cfg.MaxPending), Fsync: s.cfg.Spool.Fsync, Logger: s.logger,
	})
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	s.feed = &spool.Feed{Spool: sp, Partition: partition, Origin: "jetstream", ChunkSize: int(s.cfg.ChunkSize)}
	if err := s.feed.Resume(resume); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	r, err := s.newReceiver(ctx)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	rctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(func() { r.run(rctx) })
	return nil
}

// Read returns the next events of the spool.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if s.cancel == nil {
		return pipeline.Chunk{}, errors.New("jetstream: Read before Open")
	}
	c, err := s.feed.Read(ctx)
	return c, wrap(err)
}

// wrap names the source in an error of the spool.
func wrap(err error) error { return spool.Named("jetstream", err) }

// Commit makes room in the spool.
func (s *source) Commit(ctx context.Context, partition string, upTo pipeline.Position) error {
	return wrap(s.feed.Commit(ctx, partition, upTo))
}

// Keep deletes what is not needed any more.
func (s *source) Keep(_ context.Context, _ string, from pipeline.Position) error {
	return wrap(s.feed.Keep(from, s.oldest.Load()))
}

// Close ends the connection and closes the spool.
func (s *source) Close(context.Context) error {
	if s.feed == nil {
		return nil
	}
	if s.cancel != nil {
		s.cancel()
		s.done.Wait()
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
