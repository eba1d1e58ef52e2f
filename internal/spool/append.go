package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Key names an entry, so that it is taken once however often it comes. The zero
// value is no name.
type Key [32]byte

// Entry is what Append takes.
type Entry struct {
	Key     Key
	Digest  uint64 // of the contents: the same key with another one is another entry
	Records int    // at least 1
	Data    []byte // the records, see AppendRecord; not changed until Append returns
}

// Receipt tells what became of an entry.
type Receipt struct {
	Records int    // of the entry; of the one before for Again and Other
	End     uint64 // the number of the record after its last
	Again   bool   // an entry of this key and digest was there: nothing was added
	Other   bool   // an entry of this key and another digest was there: nothing was added
}

// remembered is a key that was seen.
type remembered struct {
	key     Key
	digest  uint64
	records uint32
	end     uint64
}

// keyring remembers the last keys.
type keyring struct {
	max   int
	order []remembered // the oldest at from
	from  int
	by    map[Key]remembered
}

func newKeyring(n int) keyring { return keyring{max: n, by: map[Key]remembered{}} }

func (k *keyring) add(r remembered) {
	if k.max == 0 {
		return
	}
	if len(k.order)-k.from >= k.max {
		if old := k.order[k.from]; k.by[old.key] == old {
			delete(k.by, old.key)
		}
		k.from++
	}
	if k.from > k.max {
		k.order = append(k.order[:0], k.order[k.from:]...)
		k.from = 0
	}
	k.order = append(k.order, r)
	k.by[r.key] = r
}

// all returns the keys, the oldest first.
func (k *keyring) all() []remembered { return k.order[k.from:] }

type request struct {
	entry
	receipt Receipt
	err     error
	done    chan struct{}
}

// Append adds an entry and returns when it is on disk. When ctx ends before,
// the entry may be added or not. Errors are ErrPending, ErrNoSpace, ErrClosed or
// those of the file system.
func (s *Spool) Append(ctx context.Context, e Entry) (Receipt, error) {
	if e.Records < 1 || int64(len(e.Data)) > maxBody-entryLen {
		return Receipt{}, fmt.Errorf("spool: an entry of %d records and %d bytes", e.Records, len(e.Data))
	}
	r := &request{
		entry: entry{records: uint32(e.Records), key: e.Key, digest: e.Digest, data: e.Data},
		done:  make(chan struct{}),
	}
	if err := s.enqueue(ctx, r); err != nil {
		return Receipt{}, err
	}
	// The writing goroutine reads the data, so there is no leaving before it
	// is done: it never waits for anything but the disk.
	<-r.done
	return r.receipt, r.err
}

func (s *Spool) enqueue(ctx context.Context, r *request) error {
	n := int64(len(r.data)) + frameLen + entryLen
	for {
		s.mu.Lock()
		if err := s.admit(n); err != nil {
			s.mu.Unlock()
			return err
		}
		select {
		case s.queue <- r:
			s.queued += n
			s.mu.Unlock()
			return nil
		default:
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admit tells whether n bytes more may be queued. The caller holds mu.
func (s *Spool) admit(n int64) error {
	switch {
	case s.broken != nil:
		return s.broken
	case s.closed:
		return ErrClosed
	}
	if p := s.pending(); p > 0 && p+n > s.opt.MaxPending {
		return ErrPending
	}
	return nil
}

// Fail ends the spool's service: Append and Next return err from now on.
func (s *Spool) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
		s.wake()
	}
}

// batchBytes is about how much is written before it is forced to disk.
const batchBytes = 8 << 20

// write is the writing goroutine: it takes what is queued, writes it and forces
// it to disk, all at once.
func (s *Spool) write() {
	w := bufio.NewWriterSize(nil, 256<<10)
	for r := range s.queue {
		batch, n := []*request{r}, int64(len(r.data))
		for n < batchBytes {
			more, ok := s.another()
			if !ok {
				break
			}
			batch, n = append(batch, more), n+int64(len(more.data))
		}
		s.writeBatch(w, batch)
	}
}

func (s *Spool) another() (*request, bool) {
	select {
	case r, ok := <-s.queue:
		return r, ok
	default:
		return nil, false
	}
}

// writeBatch writes what is new of a batch and answers all of it.
func (s *Spool) writeBatch(w *bufio.Writer, batch []*request) {
	s.mu.Lock()
	seg, broken := s.last(), s.broken
	s.mu.Unlock()
	if broken == nil && seg.size >= s.opt.SegmentBytes && seg.end > seg.base {
		if err := s.begin(seg.end); err != nil {
			// The segment before can still take it.
			s.opt.Logger.Warn("a new spool segment could not be made; the last one goes on", "error", err)
		} else {
			s.mu.Lock()
			seg = s.last()
			s.mu.Unlock()
		}
	}
	fresh := map[Key]remembered{} // of this batch
	end, size, err := seg.end, seg.size, broken
	var head []byte
	w.Reset(s.out)
	for _, r := range batch {
		if r.known(s.keys.by) || r.known(fresh) {
			continue
		}
		r.first = end
		end += uint64(r.records)
		r.receipt = Receipt{Records: int(r.records), End: end}
		if r.keyed() {
			fresh[r.key] = remembered{r.key, r.digest, r.records, end}
		}
		if err != nil {
			continue
		}
		head = appendEntryHead(head[:0], &r.entry)
		if _, err = w.Write(head); err == nil {
			_, err = w.Write(r.data)
		}
		size += int64(len(head) + len(r.data))
	}
	if err == nil && size > seg.size {
		if err = w.Flush(); err == nil && s.opt.Fsync {
			err = s.out.Sync()
		}
	}
	if err != nil && broken == nil {
		err = s.takeBack(seg, err)
	}
	s.answer(batch, seg, end, size, err, fresh)
}

// known answers a request whose key is among those that were seen.
func (r *request) known(by map[Key]remembered) bool {
	k, ok := by[r.key]
	if !ok || !r.keyed() {
		return false
	}
	r.receipt = Receipt{Records: int(k.records), End: k.end, Again: k.digest == r.digest, Other: k.digest != r.digest}
	return true
}

// takeBack cuts off what a failed write may have left, and returns the error
// that the writers get. When that fails too the end of the file is not known
// any more, and the spool takes nothing until it is opened again.
func (s *Spool) takeBack(seg *segment, err error) error {
	cut := s.out.Truncate(seg.size)
	if cut == nil && s.opt.Fsync {
		cut = s.out.Sync()
	}
	if cut != nil {
		err = fmt.Errorf("spool: %w, and it could not be taken back: %w: start again", err, cut)
		s.mu.Lock()
		s.broken = err
		s.mu.Unlock()
		return err
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("spool: %w: %w", ErrNoSpace, err)
	}
	return fmt.Errorf("spool: %w", err)
}

// answer makes what was written known and wakes those who wait for it.
func (s *Spool) answer(batch []*request, seg *segment, end uint64, size int64, err error, fresh map[Key]remembered) {
	s.mu.Lock()
	if err == nil {
		seg.end, seg.size = end, size
	}
	for _, r := range batch {
		s.queued -= int64(len(r.data)) + frameLen + entryLen
	}
	s.wake()
	s.mu.Unlock()
	for _, r := range batch {
		k, isFresh := fresh[r.key]
		switch {
		case err != nil && (isFresh || r.receipt.Again == r.receipt.Other):
			r.err, r.receipt = err, Receipt{} // of a copy within the batch too
		case err == nil && isFresh && r.receipt.End == k.end && !r.receipt.Again && !r.receipt.Other:
			s.keys.add(k)
		}
		close(r.done)
	}
}
