package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice/pipeline"
)

// partition is the one partition of files that are read once.
const partition = "files"

// once reads files one after another.
type once struct {
	*source
	resume resume
	files  []string
	sizes  []int64
	cut    cutter
}

func (s *source) newOnce(from map[string]pipeline.Resume) (*once, error) {
	o := &once{source: s, cut: cutter{pool: s.pool, max: int(s.cfg.MaxRecord)}}
	var err error
	if o.files, err = expand(s.dir, s.cfg.patterns(), false); err != nil {
		return nil, err
	}
	if o.resume, err = parseResume(from[partition]); err != nil {
		return nil, err
	}
	if s.stdin = o.files[0] == "-"; s.stdin {
		o.sizes = []int64{0}
	}
	if o.resume.begun {
		at, found := slices.BinarySearch(o.files, o.resume.from.name)
		if !found {
			return nil, fmt.Errorf("file: the checkpoint is at byte %d of %s, which is not among the %d files of the config: put it back, or start with an empty checkpoint",
				o.resume.from.offset, o.resume.from.name, len(o.files))
		}
		o.files = o.files[at:]
	}
	if !s.stdin {
		total := int64(0)
		for _, f := range o.files {
			size, err := check(absolute(s.dir, f))
			if err != nil {
				return nil, err
			}
			o.sizes = append(o.sizes, size)
			total += size
		}
		s.lag.total.Store(total)
		s.lag.known.Store(true)
	}
	return o, nil
}

func (o *once) close() { o.cut.close() }

func (o *once) run(ctx context.Context, out func(pipeline.Chunk) error) error {
	for i, name := range o.files {
		offset := int64(0)
		if i == 0 && o.resume.begun {
			offset = o.resume.from.offset
		}
		err := o.file(ctx, name, offset, out)
		var broken *corruptError
		if errors.As(err, &broken) && o.cfg.OnCorrupt == "skip" {
			o.logger.Warn("skipping the rest of a broken file", "file", name, "offset", broken.offset, "error", broken.err)
			err = o.last(name, out)
		}
		if err != nil {
			return err
		}
		o.lag.now.Store(0)
		o.lag.done.Add(o.sizes[i])
	}
	return nil
}

// file reads one file from offset to its end.
func (o *once) file(ctx context.Context, name string, offset int64, out func(pipeline.Chunk) error) error {
	path := name
	if name != "-" {
		path = absolute(o.dir, name)
	}
	o.cut.reset(offset)
	in, err := openInput(path, offset, &o.lag.now)
	if err != nil {
		return err
	}
	defer in.close()
	o.cut.eager = in.pipe
	for ctx.Err() == nil {
		p, err := o.cut.next(in, o.resume.limit(name, o.cut.base))
		if errors.Is(err, errNoMore) {
			return o.last(name, out)
		}
		if err != nil {
			return in.wrap(path, o.cut.base+o.cut.pending(), err)
		}
		if err := o.send(name, p, out); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// last sends a last line without an end, if there is one.
func (o *once) last(name string, out func(pipeline.Chunk) error) error {
	if p, ok := o.cut.rest(); ok {
		return o.send(name, p, out)
	}
	return nil
}

func (o *once) send(name string, p piece, out func(pipeline.Chunk) error) error {
	from := o.resume.last
	o.resume.last = place{p.to, name}.position()
	return out(o.chunk(partition, name, from, o.resume.last, p))
}

// chunk makes a chunk of a piece.
func (s *source) chunk(partition, origin string, from, to pipeline.Position, p piece) pipeline.Chunk {
	records := bytes.Count(p.data, []byte{'\n'})
	if p.data[len(p.data)-1] != '\n' {
		records++
	}
	return pipeline.Chunk{
		Span:   pipeline.Span{Partition: partition, From: from, To: to},
		Origin: origin, Offset: p.from, Data: p.data, Records: records,
		ReleaseFunc: func() { s.pool.put(p.buf) },
	}
}
