package spool

import (
	"context"
	"fmt"
	"io"
	"os"
)

// maxBatch is how many records a batch holds at most.
const maxBatch = 1 << 16

// Batch is a run of records. Its memory may be used again by Next.
type Batch struct {
	First  uint64 // number of the first record
	Data   []byte // the records, one after another
	Bounds []uint32
}

// Records returns the number of records.
func (b *Batch) Records() int { return max(len(b.Bounds)-1, 0) }

// Reader reads records in order. It is for one goroutine.
type Reader struct {
	s    *Spool
	next uint64 // number of the next record
	seg  *segment
	file *os.File
	in   *frames
	rest []byte // what is left of the entry that is being read
	num  uint64 // number of the first record in rest
}

// NewReader returns a reader whose first record is from; it must be held or be
// the one after the last.
func (s *Spool) NewReader(from uint64) *Reader { return &Reader{s: s, next: from} }

// Next fills b with the records that are there, waiting for at least one: until
// they are about size bytes, and not beyond record until, where that is not 0.
// The error is ctx's, or says where the spool is damaged.
func (r *Reader) Next(ctx context.Context, size int, until uint64, b *Batch) error {
	err := r.s.wait(ctx, func() (bool, error) { return r.s.last().end > r.next, r.s.broken })
	if err != nil {
		return err
	}
	b.First, b.Data, b.Bounds = r.next, b.Data[:0], append(b.Bounds[:0], 0)
	for len(b.Data) < size && len(b.Bounds) <= maxBatch && (until == 0 || r.next < until || r.next == b.First) {
		if len(r.rest) == 0 {
			ok, err := r.load()
			if err != nil {
				return err
			}
			if !ok {
				return nil
			}
		}
		rec, rest, ok := cutRecord(r.rest)
		if !ok {
			return damaged(r.seg.path, r.in.at, errTorn)
		}
		// An offset is 32 bits: a long record goes alone.
		if len(b.Data) > 0 && len(b.Data)+len(rec) > max(size, 1<<20) {
			return nil
		}
		r.rest = rest
		r.num++
		if r.num <= r.next { // before where the reader began
			continue
		}
		b.Data = append(b.Data, rec...)
		b.Bounds = append(b.Bounds, uint32(len(b.Data)))
		r.next++
	}
	return nil
}

// load reads the entry that holds the next record; false if it is not there yet.
func (r *Reader) load() (bool, error) {
	r.s.mu.Lock()
	if r.next >= r.s.last().end {
		r.s.mu.Unlock()
		return false, nil
	}
	seg := r.seg
	if seg == nil || r.next >= seg.end {
		seg = nil
		for _, g := range r.s.segments {
			if r.next >= g.base && r.next < g.end {
				seg = g
			}
		}
	}
	size := int64(0)
	if seg != nil {
		size = seg.size
	}
	r.s.mu.Unlock()
	if seg == nil {
		return false, fmt.Errorf("spool: record %d is not held any more", r.next)
	}
	if seg != r.seg {
		if err := r.open(seg, size); err != nil {
			return false, err
		}
	}
	r.in.size = size
	for {
		at := r.in.at
		e, err := r.in.entry()
		if err == nil && e.first > r.next {
			err = fmt.Errorf("an entry begins with record %d, want %d", e.first, r.next)
		}
		if err != nil {
			return false, damaged(seg.path, at, err)
		}
		if e.first+uint64(e.records) > r.next {
			r.rest, r.num = e.data, e.first
			return true, nil
		}
	}
}

func (r *Reader) open(seg *segment, size int64) error {
	r.Close()
	f, err := os.Open(seg.path)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	r.seg, r.file = seg, f
	r.in = newFrames(synced{r}, size)
	h, err := r.in.head()
	if err != nil {
		return damaged(seg.path, 0, err)
	}
	return seg.belongs(h, &r.s.id, false)
}

// synced reads the file of a reader up to what is on disk for good: what lies
// behind may be taken back.
type synced struct{ *Reader }

func (s synced) Read(p []byte) (int, error) {
	at, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if left := s.in.size - at; int64(len(p)) > left {
		p = p[:max(left, 0)]
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	return s.file.Read(p)
}

// Close frees the reader's file.
func (r *Reader) Close() {
	if r.file != nil {
		r.file.Close()
		r.file, r.seg, r.in, r.rest = nil, nil, nil, nil
	}
}
