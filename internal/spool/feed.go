package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/pipeline"
)

// Feed is the reading half of a source whose records go through a spool: it has
// one partition, and positions are record numbers. It keeps the contract of
// pipeline.Source and pipeline.Keeper.
type Feed struct {
	*Spool
	Partition string // the name of the only partition
	Origin    string // of the chunks
	ChunkSize int    // bytes of a chunk

	reader *Reader
	pool   sync.Pool
	end    pipeline.Position // of what was read
	next   uint64            // number of the next record
	until  []uint64          // ends of recorded epochs that are still ahead, ascending
}

// Resume goes to where the checkpoint says. Without a position that is the
// first record that is held.
func (f *Feed) Resume(resume map[string]pipeline.Resume) error {
	f.pool.New = func() any { return &Batch{} }
	for name := range resume {
		if name != f.Partition {
			return fmt.Errorf("the checkpoint names partition %q, but there is only %q: it is of another source", name, f.Partition)
		}
	}
	r := resume[f.Partition]
	first, next := f.Range()
	f.end, f.next = r.From, first
	if r.From != "" {
		at, err := f.parse(r.From)
		if err != nil {
			return err
		}
		if at < first || at > next {
			return fmt.Errorf("the checkpoint is at record %d, but the spool %s holds %d to %d: bring back the spool that belongs to the checkpoint, or move both away", at, f.opt.Dir, first, next)
		}
		f.next = at
	}
	last := f.next
	for _, u := range r.Until {
		at, err := f.parse(u)
		if err != nil {
			return err
		}
		if at < last || at > next {
			return fmt.Errorf("an epoch that was begun ends at record %d, but the spool %s holds %d to %d: bring back the spool that belongs to the checkpoint, or move both away", at, f.opt.Dir, first, next)
		}
		last = at
		f.until = append(f.until, at)
	}
	f.Spool.Commit(f.next)
	f.reader = f.NewReader(f.next)
	return nil
}

// position writes where a record is: its number, and the id of its spool, so
// that the records of another spool are not taken for those of this one.
func (f *Feed) position(n uint64) pipeline.Position {
	if n == 0 {
		return "" // the beginning
	}
	return pipeline.Position(fmt.Sprintf("%d:%016x", n, f.id))
}

func (f *Feed) parse(p pipeline.Position) (uint64, error) {
	if p == "" {
		return 0, nil
	}
	number, id, ok := strings.Cut(string(p), ":")
	n, err := strconv.ParseUint(number, 10, 64)
	spoolID, ierr := strconv.ParseUint(id, 16, 64)
	if !ok || err != nil || ierr != nil || len(id) != 16 {
		return 0, fmt.Errorf("%q is no position of this source: was the checkpoint written by another one?", p)
	}
	if spoolID != f.id {
		return 0, fmt.Errorf("the checkpoint is at record %d of the spool %s, but %s is the spool %016x: bring back the one that belongs to the checkpoint; or move the checkpoint away, and what was in the old spool is not written",
			n, id, f.opt.Dir, f.id)
	}
	return n, nil
}

// Read returns the next records.
func (f *Feed) Read(ctx context.Context) (pipeline.Chunk, error) {
	if f.reader == nil {
		return pipeline.Chunk{}, errors.New("read before open")
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Chunk{}, err
	}
	for len(f.until) > 0 && f.until[0] <= f.next {
		f.until = f.until[1:]
	}
	stop := uint64(0)
	if len(f.until) > 0 {
		stop = f.until[0]
	}
	b := f.pool.Get().(*Batch)
	if err := f.reader.Next(ctx, f.ChunkSize, stop, b); err != nil {
		f.pool.Put(b)
		return pipeline.Chunk{}, err
	}
	from := f.end
	f.next = b.First + uint64(b.Records())
	f.end = f.position(f.next)
	return pipeline.Chunk{
		Span:   pipeline.Span{Partition: f.Partition, From: from, To: f.end},
		Origin: f.Origin, Offset: int64(b.First),
		Data: b.Data, Bounds: b.Bounds, Records: b.Records(),
		ReleaseFunc: func() { f.pool.Put(b) },
	}, nil
}

// Commit tells that the records before upTo are durable.
func (f *Feed) Commit(_ context.Context, _ string, upTo pipeline.Position) error {
	n, err := f.parse(upTo)
	if err == nil {
		f.Spool.Commit(n)
	}
	return err
}

// Keep deletes what is not needed any more: records before from, and before
// least where that comes first.
func (f *Feed) Keep(from pipeline.Position, least uint64) error {
	n, err := f.parse(from)
	if err != nil {
		return err
	}
	return f.Spool.Keep(min(n, least))
}

// Close ends reading and closes the spool.
func (f *Feed) Close() error {
	if f.reader != nil {
		f.reader.Close()
	}
	return f.Spool.Close()
}

// Lag returns the bytes that wait.
func (f *Feed) Lag() (left, total int64, unit string, known bool) {
	return f.Pending(), 0, "bytes", true
}

// Named puts the source's name before an error of its feed, and leaves the end
// of the source and that of a context as they are.
func Named(source string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%s: %w", source, err)
}
