// Package file reads posts from files: one record a line, plain or compressed
// with gzip or zstd, once through or followed as they grow.
//
// One goroutine of the source reads, decompresses and cuts the input into
// chunks of whole lines; a few chunks are kept ready, so that reading overlaps
// with the work on them, and no more, so that a slow pipeline slows the source.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Config is the source's config. The fields of decode.Config stand beside it.
type Config struct {
	Path         string            `koanf:"path" doc:"A file, or a pattern such as posts/*.jsonl.zst; - is standard input."`
	Paths        []string          `koanf:"paths" doc:"Several files or patterns. Files are read in the order of their names."`
	Follow       bool              `koanf:"follow" doc:"Go on reading as the files grow and are rotated, like tail -F. Plain files only."`
	PollInterval time.Duration     `koanf:"poll_interval" doc:"How often follow looks for more."`
	OnCorrupt    string            `koanf:"on_corrupt" enum:"fail,skip" doc:"What to do when a compressed file is broken: fail, or skip the rest of it."`
	ChunkSize    pipeline.ByteSize `koanf:"chunk_size" doc:"How much is read and handed on at a time; 4KiB to 16MiB."`
	decode.Config
}

// Defaults returns the config with its default values.
func Defaults() Config {
	return Config{PollInterval: 200 * time.Millisecond, OnCorrupt: "fail", ChunkSize: 256 << 10, Config: decode.Defaults()}
}

// patterns returns Path and Paths as one list.
func (c *Config) patterns() []string {
	if c.Path == "" {
		return c.Paths
	}
	return append([]string{c.Path}, c.Paths...)
}

// Validate checks the config. Errors are *pipeline.FieldError, joined.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	all := c.patterns()
	if len(all) == 0 {
		fail("path", "no file: set path or paths")
	}
	for i, p := range c.Paths {
		if p == "" {
			fail(fmt.Sprintf("paths.%d", i), "empty path")
		}
	}
	if slices.Contains(all, "-") {
		if len(all) > 1 {
			fail("paths", "standard input (-) cannot be read together with other files")
		}
		if c.Follow {
			fail("follow", "standard input (-) cannot be followed: leave follow out, it is read until it ends")
		}
	}
	if c.PollInterval < time.Millisecond || c.PollInterval > time.Minute {
		fail("poll_interval", "%s is out of range: use 1ms to 1m", c.PollInterval)
	}
	if c.OnCorrupt != "fail" && c.OnCorrupt != "skip" {
		fail("on_corrupt", "%q: use fail or skip", c.OnCorrupt)
	}
	if c.ChunkSize < 4<<10 || c.ChunkSize > 16<<20 {
		fail("chunk_size", "%s is out of range: use 4KiB to 16MiB", c.ChunkSize)
	}
	errs = append(errs, c.Config.Validate())
	return errors.Join(errs...)
}

// Factory describes the source.
func Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{
		Name:    "file",
		Summary: "read files of JSON lines, plain, gzip or zstd; or follow them as they grow",
		Doc: `Reads one record a line. Compression is told by the file's first bytes, not by
its name; files of several frames or members are read to their end.

Without ` + "`follow`" + ` the files are read in the order of their names, then the
pipeline ends. A checkpoint names the file and the offset in it, so files may be
added that sort after it; files before it count as read. The file itself must
still be there and hold what was read.

With ` + "`follow`" + ` each file is a partition of its own and is read as it grows. A file
that is renamed and made anew is read to its end before the new one is begun,
and one that is truncated is read from its beginning. Files that appear later
and match a pattern are taken up. The last line is waited for until it has an end.

A line that is longer than max_record is dropped up to its end and reported as
one rejected row, too_large. A file's last line may lack its end.`,
		Example: "path: posts/*.jsonl.zst\nformat: plain\n",
	}, Defaults, newPlan)
}

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
	return &source{plan: p, pool: newPool(int(p.cfg.ChunkSize))}, nil
}

// ahead is how many chunks are kept ready.
const ahead = 3

// source is the run half: Read takes what the reading goroutine has put into
// chunks.
type source struct {
	*plan
	pool   *pool
	chunks chan pipeline.Chunk // closed by the reading goroutine when it ends
	cancel context.CancelFunc
	done   sync.WaitGroup
	lag    lag
	err    error // why the reading goroutine ended; valid after chunks is closed
	stdin  bool
}

// reader reads everything and sends it to out; nil means the end was reached.
type reader interface {
	run(ctx context.Context, out func(pipeline.Chunk) error) error
	close()
}

// Open finds the files and begins to read.
func (s *source) Open(_ context.Context, resume map[string]pipeline.Resume) error {
	var r reader
	var err error
	if s.cfg.Follow {
		r, err = s.newFollower(resume)
	} else {
		r, err = s.newOnce(resume)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.chunks = cancel, make(chan pipeline.Chunk, ahead)
	s.done.Go(func() {
		defer close(s.chunks)
		defer r.close()
		s.err = r.run(ctx, func(c pipeline.Chunk) error {
			select {
			case s.chunks <- c:
				return nil
			case <-ctx.Done():
				c.Release()
				return ctx.Err()
			}
		})
	})
	return nil
}

// Read returns the next chunk.
func (s *source) Read(ctx context.Context) (pipeline.Chunk, error) {
	if s.chunks == nil {
		return pipeline.Chunk{}, errors.New("file: Read before Open")
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Chunk{}, err
	}
	select {
	case c, ok := <-s.chunks:
		if ok {
			return c, nil
		}
		if s.err != nil {
			return pipeline.Chunk{}, s.err
		}
		return pipeline.Chunk{}, io.EOF
	case <-ctx.Done():
		return pipeline.Chunk{}, ctx.Err()
	}
}

// Commit does nothing: files keep no position, the engine's checkpoint does.
func (s *source) Commit(context.Context, string, pipeline.Position) error { return nil }

// Close stops reading. A read of standard input cannot be interrupted: its
// goroutine ends with the process, or with the input.
func (s *source) Close(context.Context) error {
	if s.chunks == nil {
		return nil
	}
	s.cancel()
	if !s.stdin {
		s.done.Wait()
		for c := range s.chunks {
			c.Release()
		}
	}
	return nil
}

// Lag returns the bytes that are left to read, compressed ones for compressed
// files. What is read ahead counts as read.
func (s *source) Lag() (left, total int64, unit string, known bool) { return s.lag.get() }
