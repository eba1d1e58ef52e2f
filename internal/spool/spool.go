// Package spool is a bounded queue of records on disk: what is appended is on
// disk when Append returns, can be read again from any record, and is deleted
// when it is not needed any more. It makes an input that comes only once, such
// as the body of a request, one that can be replayed.
//
// On disk it is a folder:
//
//	lock                          held (flock) while a process uses the folder
//	<20 digits>.spool             a segment, named by the number of its first record
//
// A segment is a row of frames: length and CRC-32C of the body as 32-bit little
// endian numbers, then the body. The first frame is a head, each other one an
// entry: see frame.go. Records are numbered from 0 over the whole life of the
// spool, whose random id is in each head.
//
// Only the last segment is written. Entries that come at the same time are
// written and forced to disk together. A frame that is not whole at the end of
// the last segment is what a crash leaves: it was never acknowledged, and is cut
// off by Open. Damage in a segment before is an error.
package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/durable"
)

// Errors of Append, to be told by errors.Is.
var (
	ErrPending = errors.New("too much waits to be written to the sinks")
	ErrNoSpace = errors.New("the disk of the spool is full")
	ErrClosed  = errors.New("the spool is closed")
)

// Options of Open.
type Options struct {
	Dir          string
	SegmentBytes int64 // a segment that has reached it is ended
	MaxPending   int64 // bytes that may wait; an entry is always taken when nothing does
	Remember     int   // how many keys of entries are remembered
	Fsync        bool  // survive a loss of power, not only the death of the process
	Logger       *slog.Logger

	wrap func(file) file // for tests: lies between the spool and its files
}

// file is what the spool needs of a file that it writes.
type file interface {
	Write(p []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

// segment is a file of records [base, end).
type segment struct {
	path      string
	base, end uint64
	size      int64 // bytes that are on disk for good
}

// Spool is an open spool. Its methods may be called from any goroutine.
type Spool struct {
	opt   Options
	id    uint64
	lock  *os.File
	queue chan *request
	done  sync.WaitGroup // the writing goroutine

	// For the writing goroutine only.
	out  file // the last segment
	keys keyring

	mu        sync.Mutex
	segments  []*segment // by base, at least one; all but the last are ended
	committed uint64     // records before it are durable elsewhere
	queued    int64      // bytes in queue
	changed   chan struct{}
	broken    error
	closed    bool
}

// Open opens or creates the folder. It fails when another process has it open
// or when it is damaged.
func Open(opt Options) (_ *Spool, err error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Spool{opt: opt, queue: make(chan *request, 256), changed: make(chan struct{}), keys: newKeyring(opt.Remember)}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w: choose another folder, or make this one writable", err)
	}
	defer func() {
		if err != nil {
			_ = s.closeFiles()
		}
	}()
	if s.lock, err = os.OpenFile(filepath.Join(opt.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("spool: %s is in use by another process: stop it, or choose another folder", opt.Dir)
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.committed = s.segments[0].base
	s.done.Go(s.write)
	return s, nil
}

// load finds the segments, and makes the first one of a new spool.
func (s *Spool) load() error {
	bases, err := s.list()
	if err != nil {
		return err
	}
	if len(bases) == 0 {
		if s.id, err = newID(); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		return s.begin(0)
	}
	for i, base := range bases {
		seg := &segment{path: s.path(base), base: base}
		if i < len(bases)-1 {
			// Its records are checked when they are read.
			seg.end = bases[i+1]
			err = seg.check(&s.id, i == 0)
		} else {
			err = s.recover(seg, i == 0)
		}
		if err != nil {
			return err
		}
		s.segments = append(s.segments, seg)
	}
	f, err := os.OpenFile(s.last().path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.out = s.wrapped(f)
	return nil
}

func (s *Spool) wrapped(f file) file {
	if s.opt.wrap != nil {
		return s.opt.wrap(f)
	}
	return f
}

// list returns the first record of each segment, in order. What is left of a
// segment that was being made is removed.
func (s *Spool) list() ([]uint64, error) {
	entries, err := os.ReadDir(s.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var out []uint64
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".tmp-") {
			_ = os.Remove(filepath.Join(s.opt.Dir, e.Name()))
		}
		name, ours := strings.CutSuffix(e.Name(), ".spool")
		base, err := strconv.ParseUint(name, 10, 64)
		if ours && err == nil && len(name) == 20 {
			out = append(out, base)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (s *Spool) path(base uint64) string {
	return filepath.Join(s.opt.Dir, fmt.Sprintf("%020d.spool", base))
}

// check reads the head of an ended segment.
func (g *segment) check(id *uint64, first bool) error {
	f, err := os.Open(g.path)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	g.size = info.Size()
	fr := newFrames(f, g.size)
	h, err := fr.head()
	if err != nil {
		return damaged(g.path, 0, err)
	}
	return g.belongs(h, id, first)
}

// belongs checks that the head is that of a segment of this spool.
func (g *segment) belongs(h head, id *uint64, first bool) error {
	if first {
		*id = h.id
	}
	switch {
	case h.id != *id:
		return damaged(g.path, 0, errors.New("it belongs to another spool"))
	case h.base != g.base:
		return damaged(g.path, 0, fmt.Errorf("it begins with record %d", h.base))
	}
	return nil
}

func damaged(path string, at int64, err error) error {
	return fmt.Errorf("spool: %s is damaged at byte %d: %w. Restore the folder from a backup, or move it away: what it holds and was not written is lost then", path, at, err)
}

// recover reads the last segment, cuts off what a crash left at its end, and
// takes over its keys.
func (s *Spool) recover(g *segment, first bool) error {
	f, err := os.OpenFile(g.path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	fr := newFrames(f, info.Size())
	h, err := fr.head()
	if err != nil { // heads are made whole, by a rename
		return damaged(g.path, 0, err)
	}
	if err := g.belongs(h, &s.id, first); err != nil {
		return err
	}
	for _, k := range h.keys {
		s.keys.add(k)
	}
	g.end, g.size = g.base, fr.at
	for fr.at < info.Size() {
		e, err := fr.entry()
		if err == nil && e.first != g.end {
			err = fmt.Errorf("an entry begins with record %d, want %d", e.first, g.end)
		}
		if err != nil {
			s.opt.Logger.Warn("cutting off the end of a spool segment that was not written whole", "file", g.path, "offset", g.size, "bytes", info.Size()-g.size, "error", err)
			if err := f.Truncate(g.size); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			break
		}
		g.end, g.size = e.first+uint64(e.records), fr.at
		if e.keyed() {
			s.keys.add(remembered{e.key, e.digest, e.records, g.end})
		}
	}
	if s.opt.Fsync {
		// What is acknowledged from now on rests on what was found.
		if err := f.Sync(); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return nil
}

// begin makes the segment whose first record is base and makes it the last.
func (s *Spool) begin(base uint64) error {
	var b bytes.Buffer
	appendHead(&b, head{id: s.id, base: base, keys: s.keys.all()})
	path := s.path(base)
	tmp := filepath.Join(s.opt.Dir, fmt.Sprintf(".tmp-%020d", base))
	// Appending, so that after a write was taken back the next one is at the end.
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	out := s.wrapped(f)
	_, err = out.Write(b.Bytes())
	if err == nil && s.opt.Fsync {
		err = out.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil && s.opt.Fsync {
		err = durable.SyncDir(s.opt.Dir)
	}
	if err != nil {
		out.Close()
		_ = os.Remove(tmp)
		_ = os.Remove(path)
		return fmt.Errorf("spool: %w", err)
	}
	if s.out != nil {
		s.out.Close()
	}
	s.out = out
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, &segment{path: path, base: base, end: base, size: int64(b.Len())})
	return nil
}

// ID is the spool's id: another one means another spool, whose records of the
// same number are others.
func (s *Spool) ID() uint64 { return s.id }

// Range returns the first record that is held and the one after the last.
func (s *Spool) Range() (first, next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.segments[0].base, s.last().end
}

// last is the segment that is written. The caller holds mu or is alone.
func (s *Spool) last() *segment { return s.segments[len(s.segments)-1] }

// Pending returns about how many bytes wait to be committed.
func (s *Spool) Pending() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending()
}

// pending counts a segment that is partly committed by its share of records.
func (s *Spool) pending() int64 {
	n := s.queued
	for _, g := range s.segments {
		if g.end > s.committed {
			left := float64(g.end-max(s.committed, g.base)) / float64(g.end-g.base)
			n += int64(float64(g.size) * left)
		}
	}
	return n
}

// Commit tells that the records before n are durable elsewhere.
func (s *Spool) Commit(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.committed {
		s.committed = n
		s.wake()
	}
}

// Keep deletes the segments that hold only committed records before n.
func (s *Spool) Keep(n uint64) error {
	s.mu.Lock()
	n = min(n, s.committed)
	var gone []*segment
	for len(s.segments) > 1 && s.segments[0].end <= n {
		gone = append(gone, s.segments[0])
		s.segments = s.segments[1:]
	}
	s.mu.Unlock()
	for _, g := range gone {
		if err := os.Remove(g.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("spool: %w", err)
		}
	}
	return nil
}

// wake tells all who wait that something has changed. The caller holds mu.
func (s *Spool) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitCommitted waits until the records before n are committed; it returns
// ctx's error, or ErrClosed when the spool is closed before.
func (s *Spool) WaitCommitted(ctx context.Context, n uint64) error {
	return s.wait(ctx, func() (bool, error) {
		if s.committed >= n {
			return true, nil
		}
		if s.closed {
			return false, ErrClosed
		}
		return false, nil
	})
}

// wait calls ok, which is called with mu held, until it is true or fails.
func (s *Spool) wait(ctx context.Context, ok func() (bool, error)) error {
	for {
		s.mu.Lock()
		done, err := ok()
		changed := s.changed
		s.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stop refuses what is appended from now on, and wakes all who wait.
func (s *Spool) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.queue)
		s.wake()
	}
}

// Close ends the spool; what was appended stays on disk.
func (s *Spool) Close() error {
	s.Stop()
	s.done.Wait()
	return s.closeFiles()
}

func (s *Spool) closeFiles() error {
	var err error
	if s.out != nil {
		err = s.out.Close()
	}
	if s.lock != nil {
		s.lock.Close() // ends the lock too
	}
	return err
}
