// Package file is the sink that writes files: JSON lines, Arrow IPC streams
// and Parquet. Each epoch's rows are in the files once, whatever crashes: JSON
// lines and streams are appended to under a journal, a Parquet file holds one
// epoch and appears whole.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "file",
		Summary: "writes JSON lines, Arrow streams or Parquet files",
		Doc: `Each stream goes to files of its own: put {stream} into the path when the sink takes
several, and {partition} for a file for each partition of the source.

JSON lines and Arrow streams are appended to; a journal beside the file (.journal) says which
epochs are in it. What a crash left behind the journal's size is cut off at the next write, so
a reader that follows the file may see the last lines change after a crash. Keep the journal
with its file. With rotate_rows or rotate_bytes, {part} numbers the files.

Parquet files hold one epoch each, named by {epoch}, and appear whole.`,
		Example: "path: out/{stream}.jsonl\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
		Local:   true,
	}, Defaults, newPlan)
}

type plan struct {
	cfg  Config
	in   pipeline.Schemas
	name string
	log  *slog.Logger
}

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	p := &plan{cfg: *cfg, in: in, name: bc.Name, log: bc.Logger}
	if !filepath.IsAbs(p.cfg.Path) {
		p.cfg.Path = filepath.Join(bc.Dir, p.cfg.Path)
	}
	streams := 0
	for _, schema := range in {
		if schema != nil {
			streams++
		}
	}
	if streams > 1 && !strings.Contains(p.cfg.Path, "{stream}") {
		return nil, &pipeline.FieldError{Path: "path", Err: fmt.Errorf("%d streams would go to one file: put {stream} into the path", streams)}
	}
	_, err := newSink(p, realFS()) // finds columns that have no form in the format
	return p, err
}

// New returns a sink that writes to the file system.
func (p *plan) New() (pipeline.Sink, error) { return newSink(p, realFS()) }

// Sink writes files.
type Sink struct {
	cfg       Config
	name      string
	fs        fileSystem
	appenders [pipeline.NumStreams]appender
	tables    [pipeline.NumStreams]*table
	series    map[string]*series // by the path of its journal
}

func newSink(p *plan, fs fileSystem) (*Sink, error) {
	s := &Sink{cfg: p.cfg, name: p.name, fs: fs, series: map[string]*series{}}
	for i, schema := range p.in {
		if schema == nil {
			continue
		}
		var err error
		switch s.cfg.Format {
		case "jsonl":
			s.appenders[i], err = newLines(schema, s.cfg.Compression)
		case "arrow":
			s.appenders[i], err = newStream(schema, s.cfg.Compression)
		default:
			s.tables[i] = newTable(schema, s.cfg.Compression)
		}
		if err != nil {
			return nil, &pipeline.FieldError{Err: fmt.Errorf("stream %s: %w", pipeline.Stream(i), err)}
		}
	}
	return s, nil
}

// Open makes the folder and tries that it can be written.
func (s *Sink) Open(context.Context) error {
	dir := filepath.Dir(s.cfg.Path)
	for strings.ContainsRune(dir, '{') {
		dir = filepath.Dir(dir)
	}
	if err := s.fs.MkdirAll(dir); err != nil {
		return fmt.Errorf("%s: %w", s.name, classify(err))
	}
	probe := filepath.Join(dir, ".sluice-probe")
	f, err := s.fs.OpenFile(probe, os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		f.Close()
		err = s.fs.Remove(probe)
	}
	if err != nil {
		return fmt.Errorf("%s: the folder cannot be written: %w", s.name, classify(err))
	}
	return nil
}

// Write puts the epoch's rows into the files, stream by stream. A full disk is
// retryable: the files are then as they were before the call, except for
// streams of the epoch that are done, which the next call skips.
func (s *Sink) Write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	var streams [pipeline.NumStreams][]arrow.Record
	for _, b := range in {
		if int(b.Stream) < len(streams) && b.Record.NumRows() > 0 {
			streams[b.Stream] = append(streams[b.Stream], b.Record)
		}
	}
	for i, records := range streams {
		if len(records) == 0 {
			continue
		}
		var err error
		switch {
		case s.tables[i] != nil:
			err = s.writeTable(ctx, key, pipeline.Stream(i), records)
		case s.appenders[i] != nil:
			err = s.writeSeries(ctx, key, pipeline.Stream(i), records)
		}
		if err != nil {
			return fmt.Errorf("%s: %s of epoch %s: %w", s.name, pipeline.Stream(i), key, classify(err))
		}
	}
	return nil
}

func (s *Sink) writeSeries(ctx context.Context, key pipeline.Key, stream pipeline.Stream, records []arrow.Record) error {
	path := expand(s.cfg.template(), stream, key.Span)
	log := strings.ReplaceAll(path, "{part}", "parts") + ".journal"
	sr := s.series[log]
	if sr == nil {
		if err := s.fs.MkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		j, err := openJournal(s.fs, log, s.cfg.Fsync)
		if err != nil {
			return err
		}
		sr = &series{cfg: s.cfg, fs: s.fs, encode: s.appenders[stream], path: path, journal: j}
		s.series[log] = sr
	}
	return sr.write(ctx, key, records)
}

// writeTable writes the epoch's file under another name and renames it, so
// that it is there whole or not at all.
func (s *Sink) writeTable(ctx context.Context, key pipeline.Key, stream pipeline.Stream, records []arrow.Record) error {
	path := expand(s.cfg.template(), stream, key.Span)
	if done, err := s.fs.Exists(path); err != nil || done {
		return err
	}
	if err := s.fs.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := s.fs.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	err = s.tables[stream].write(&countingWriter{w: f, ctx: ctx}, records)
	if err == nil && s.cfg.Fsync {
		err = f.Sync()
	}
	if err = closeAfter(f, err); err == nil {
		err = s.fs.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, s.fs.Remove(tmp))
	}
	if s.cfg.Fsync {
		return s.fs.SyncDir(path)
	}
	return nil
}

// Close closes the files.
func (s *Sink) Close(context.Context) error {
	var errs []error
	for _, sr := range s.series {
		errs = append(errs, sr.close())
	}
	s.series = map[string]*series{}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}
