// Package stdout is the sink that prints rows: as JSON lines for the next
// program, or for a person to read.
package stdout

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/jsonlines"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the sink's configuration.
type Config struct {
	Format string `koanf:"format" doc:"jsonl for programs or pretty for people"`
}

// Validate checks the format.
func (c *Config) Validate() error {
	switch c.Format {
	case "jsonl", "pretty":
		return nil
	}
	return &pipeline.FieldError{Path: "format", Err: fmt.Errorf("%q: write jsonl or pretty", c.Format)}
}

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "stdout",
		Summary: "prints detections, or another stream, to the standard output",
		Doc: `Prints one JSON object a row; when it takes several streams, each object begins with
"stream". With format: pretty, it prints for people: detections with what fired and where,
control characters of the text made visible.

An epoch that is written again right after a restart is printed again: a terminal cannot
take back what it showed.`,
		Example: "format: pretty\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
	}, func() Config { return Config{Format: "jsonl"} }, newPlan)
}

type plan struct {
	cfg Config
	in  pipeline.Schemas
}

func newPlan(_ pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	p := &plan{cfg: *cfg, in: in}
	_, err := newSink(p.cfg, p.in, io.Discard)
	return p, err
}

// New returns a sink that prints to the process's standard output.
func (p *plan) New() (pipeline.Sink, error) { return newSink(p.cfg, p.in, os.Stdout) }

// encoder turns a record into text.
type encoder interface {
	Append(dst []byte, rec arrow.Record) ([]byte, error)
}

// Sink prints rows. A line is never cut, unless the output fails.
type Sink struct {
	out      io.Writer
	encoders [pipeline.NumStreams]encoder
	buf      []byte
	last     pipeline.Key // printed whole
	any      bool         // last is set
}

func newSink(cfg Config, in pipeline.Schemas, out io.Writer) (*Sink, error) {
	streams := 0
	for _, schema := range in {
		if schema != nil {
			streams++
		}
	}
	s := &Sink{out: out}
	for i, schema := range in {
		if schema == nil {
			continue
		}
		stream := pipeline.Stream(i)
		var err error
		switch {
		case cfg.Format == "pretty":
			s.encoders[i], err = newPretty(stream, schema)
		case streams > 1:
			s.encoders[i], err = jsonlines.New(schema, "stream", stream.String())
		default:
			s.encoders[i], err = jsonlines.New(schema, "", "")
		}
		if err != nil {
			return nil, &pipeline.FieldError{Err: fmt.Errorf("stream %s: %w", stream, err)}
		}
	}
	return s, nil
}

// Open does nothing.
func (s *Sink) Open(context.Context) error { return nil }

// flushAt is the size of what is gathered before it is printed.
const flushAt = 256 << 10

// Write prints the rows. The key that was printed last is not printed again.
// A closed output (a pager that quit) is a permanent error.
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	if s.any && s.last == key {
		return nil
	}
	s.buf = s.buf[:0]
	for _, b := range in {
		if int(b.Stream) >= len(s.encoders) || s.encoders[b.Stream] == nil {
			continue
		}
		var err error
		if s.buf, err = s.encoders[b.Stream].Append(s.buf, b.Record); err != nil {
			return fmt.Errorf("stdout: %w", err)
		}
		if len(s.buf) >= flushAt {
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	s.last, s.any = key, true
	return nil
}

func (s *Sink) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(s.buf) == 0 {
		return nil
	}
	n, err := s.out.Write(s.buf)
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	s.buf = s.buf[:0]
	if err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	return nil
}

// Close does nothing: the standard output is the process's.
func (s *Sink) Close(context.Context) error { return nil }
