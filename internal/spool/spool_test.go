package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(dir string) Options {
	return Options{Dir: dir, SegmentBytes: 64 << 20, MaxPending: 1 << 40, Remember: 100}
}

func open(t testing.TB, opt Options) *Spool {
	t.Helper()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *Spool, key byte, recs ...string) Receipt {
	t.Helper()
	r, err := s.Append(t.Context(), entryOf(key, recs...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func entryOf(key byte, recs ...string) Entry {
	e := Entry{Records: len(recs)}
	if key != 0 {
		e.Key = Key{key}
	}
	for _, r := range recs {
		e.Data = AppendRecord(e.Data, []byte(r))
	}
	for _, b := range e.Data {
		e.Digest = e.Digest*31 + uint64(b)
	}
	return e
}

// all reads the records [from, to).
func all(t testing.TB, s *Spool, from, to uint64, size int) (out []string) {
	t.Helper()
	r := s.NewReader(from)
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for b := new(Batch); from < to; from += uint64(b.Records()) {
		if err := r.Next(ctx, size, to, b); err != nil {
			t.Fatalf("record %d: %v", from, err)
		}
		if b.First != from || b.Records() == 0 || int(b.Bounds[b.Records()]) != len(b.Data) {
			t.Fatalf("a batch of %d records from %d, want from %d", b.Records(), b.First, from)
		}
		for i := range b.Records() {
			out = append(out, string(b.Data[b.Bounds[i]:b.Bounds[i+1]]))
		}
	}
	return out
}

func TestRecordsComeBack(t *testing.T) {
	opt := options(t.TempDir())
	opt.SegmentBytes = 2000
	opt.Fsync = true
	var want []string
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 5 { // runs
		s := open(t, opt)
		for range 40 {
			var recs []string
			for range 1 + rnd.IntN(5) {
				recs = append(recs, fmt.Sprintf("%d %s", len(want)+len(recs), strings.Repeat("x", rnd.IntN(100))))
			}
			want = append(want, recs...)
			if r := put(t, s, 0, recs...); r.End != uint64(len(want)) || r.Records != len(recs) {
				t.Fatalf("receipt %+v, want the end %d", r, len(want))
			}
		}
		for _, size := range []int{1, 100, 1 << 20} {
			from := uint64(rnd.IntN(len(want)))
			if got := all(t, s, from, uint64(len(want)), size); !slices.Equal(got, want[from:]) {
				t.Fatalf("from %d by %d: got %q", from, size, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(opt.Dir, "*.spool")); len(files) < 5 {
		t.Errorf("%d segments: the test shows little", len(files))
	}
}

func TestUntilIsNotCrossed(t *testing.T) {
	s := open(t, options(t.TempDir()))
	put(t, s, 0, "a", "b", "c", "d")
	r := s.NewReader(1)
	defer r.Close()
	var b Batch
	for _, c := range []struct {
		until uint64
		want  string
	}{{3, "bc"}, {0, "d"}} {
		if err := r.Next(t.Context(), 1<<20, c.until, &b); err != nil || string(b.Data) != c.want {
			t.Errorf("until %d: %q, %v, want %q", c.until, b.Data, err, c.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := r.Next(ctx, 1<<20, 0, &b); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at the end: %v", err)
	}
	put(t, s, 0, "e")
	if err := r.Next(t.Context(), 1<<20, 0, &b); err != nil || string(b.Data) != "e" || b.First != 4 {
		t.Errorf("after waiting: %q at %d, %v", b.Data, b.First, err)
	}
}

// TestTornTail cuts the file at every byte, and flips one, as a crash may:
// whole entries before are kept, and the spool goes on after them.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	put(t, s, 1, "one")
	path, whole := s.last().path, int64(0)
	whole = s.last().size
	put(t, s, 2, "two", "three")
	s.Close()
	full, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases [][]byte
	for n := int(whole); n < len(full); n++ {
		cases = append(cases, full[:n])
		flipped := bytes.Clone(full)
		flipped[n] ^= 0x10
		cases = append(cases, flipped, append(bytes.Clone(full[:n]), make([]byte, 4096)...))
	}
	for i, data := range cases {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(options(dir))
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		if _, next := s.Range(); next != 1 {
			t.Fatalf("case %d: the spool ends at %d, want 1", i, next)
		}
		// The entry that was cut off was not acknowledged, so it comes again.
		if r := put(t, s, 2, "two", "three"); r.Again || r.End != 3 {
			t.Fatalf("case %d: %+v", i, r)
		}
		if got := all(t, s, 0, 3, 1); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Fatalf("case %d: %q", i, got)
		}
		s.Close()
	}
}

func TestDamageIsTold(t *testing.T) {
	opt := options(t.TempDir())
	opt.SegmentBytes = 1
	s := open(t, opt)
	for _, r := range []string{"one", "two", "three"} {
		put(t, s, 0, r)
	}
	first, last := s.segments[0].path, s.last().path
	s.Close()
	flip := func(path string, at int64) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := []byte{0}
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	flip(first, int64(frameLen+headLen+frameLen+entryLen)) // in the record
	s = open(t, opt)
	r := s.NewReader(0)
	defer r.Close()
	if err := r.Next(t.Context(), 10, 0, new(Batch)); err == nil || !strings.Contains(err.Error(), "is damaged at byte 36: a checksum") {
		t.Errorf("a damaged record: %v", err)
	}
	s.Close()
	flip(last, frameLen+3)
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "is damaged at byte 0") {
		t.Errorf("a damaged head: %v", err)
	}
}

func TestKeys(t *testing.T) {
	opt := options(t.TempDir())
	opt.SegmentBytes, opt.Remember = 300, 3
	s := open(t, opt)
	for range 3 { // the same answer, after a restart too
		if r := put(t, s, 1, "a", "b"); r.End != 2 || r.Other || r.Records != 2 {
			t.Errorf("the same again: %+v", r)
		}
		if r := put(t, s, 1, "other"); !r.Other || r.Again {
			t.Errorf("another one under the same key: %+v", r)
		}
		s.Close()
		s = open(t, opt)
	}
	for k := byte(2); k <= 4; k++ {
		put(t, s, k, strings.Repeat("x", 200))
	}
	s.Commit(5)
	if err := s.Keep(5); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, opt)
	if first, next := s.Range(); first == 0 || next != 5 {
		t.Errorf("held %d to %d: segments must have been deleted", first, next)
	}
	for k := byte(2); k <= 4; k++ { // in segments that are deleted, but remembered
		if r := put(t, s, k, strings.Repeat("x", 200)); !r.Again {
			t.Errorf("key %d: %+v", k, r)
		}
	}
	if r := put(t, s, 1, "a", "b"); r.Again || r.End != 7 {
		t.Errorf("a key that was forgotten: %+v", r)
	}
}

func TestSameKeyAtOnce(t *testing.T) {
	s := open(t, options(t.TempDir()))
	var wg sync.WaitGroup
	fresh := make(chan Receipt, 400)
	for i := range 400 {
		wg.Go(func() {
			r, err := s.Append(context.Background(), entryOf(byte(1+i%10), "x"))
			if err != nil {
				t.Error(err)
			}
			if !r.Again {
				fresh <- r
			}
		})
	}
	wg.Wait()
	if _, next := s.Range(); next != 10 || len(fresh) != 10 {
		t.Errorf("%d records, %d new ones, want 10", next, len(fresh))
	}
}

func TestPending(t *testing.T) {
	opt := options(t.TempDir())
	opt.MaxPending, opt.SegmentBytes = 1000, 500
	s := open(t, opt)
	n := 0
	for ; n < 100; n++ {
		if _, err := s.Append(t.Context(), entryOf(0, strings.Repeat("x", 100))); errors.Is(err, ErrPending) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 4 || n > 6 {
		t.Errorf("%d entries of about 160 bytes fit 1000", n)
	}
	s.Commit(uint64(n))
	if p := s.Pending(); p != 0 {
		t.Errorf("%d bytes pending after all is committed", p)
	}
	if r := put(t, s, 0, strings.Repeat("x", 5000)); r.End != uint64(n+1) {
		t.Errorf("a large entry when nothing waits: %+v", r)
	}
}

func TestWaitCommitted(t *testing.T) {
	s := open(t, options(t.TempDir()))
	put(t, s, 0, "a", "b")
	got := make(chan error, 2)
	for range 2 {
		go func() { got <- s.WaitCommitted(context.Background(), 2) }()
	}
	s.Commit(1)
	s.Commit(2)
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	go func() { got <- s.WaitCommitted(context.Background(), 3) }()
	s.Stop()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := s.Append(t.Context(), entryOf(0, "c")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after the end: %v", err)
	}
}

func TestOneProcess(t *testing.T) {
	opt := options(t.TempDir())
	open(t, opt)
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("opened twice: %v", err)
	}
}

// faults is a disk that fails at some calls.
type faults struct {
	mu    sync.Mutex
	calls int
	at    map[int]error // by number of the call
	short bool          // a failing write writes half
}

type faulty struct {
	file
	*faults
}

func (f *faults) next() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.at[f.calls]
}

func (f faulty) Write(p []byte) (int, error) {
	if err := f.next(); err != nil {
		n := 0
		if f.short {
			n, _ = f.file.Write(p[:len(p)/2])
		}
		return n, err
	}
	return f.file.Write(p)
}

func (f faulty) Sync() error {
	if err := f.next(); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f faulty) Truncate(n int64) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.file.Truncate(n)
}

// TestFaultyDisk fails each call of the disk in turn. What was acknowledged is
// there afterwards, once, and what was refused is not.
func TestFaultyDisk(t *testing.T) {
	for call := 3; call < 40; call++ { // the first two make the spool
		for _, second := range []bool{false, true} {
			fs := &faults{at: map[int]error{call: unix.ENOSPC}, short: true}
			if second { // taking back fails too
				fs.at[call+1] = unix.EIO
			}
			opt := options(t.TempDir())
			opt.Fsync, opt.SegmentBytes = true, 150
			opt.wrap = func(f file) file { return faulty{f, fs} }
			s := open(t, opt)
			var want []string
			refused := 0
			for i := range 10 {
				rec := fmt.Sprintf("record %d", i)
				_, err := s.Append(t.Context(), entryOf(byte(i+1), rec))
				switch {
				case err == nil:
					want = append(want, rec)
				case !second && !errors.Is(err, unix.ENOSPC):
					t.Fatalf("call %d: %v", call, err)
				case !second && !errors.Is(err, ErrNoSpace):
					t.Fatalf("call %d: %v", call, err)
				default:
					refused++
				}
			}
			s.Close()
			opt.wrap = nil
			s = open(t, opt)
			_, next := s.Range()
			got := all(t, s, 0, next, 1<<20)
			if !second && !slices.Equal(got, want) {
				t.Fatalf("call %d: got %q, want %q, %d refused", call, got, want, refused)
			}
			// An entry that could not be taken back may be there.
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Fatalf("call %d: %q was acknowledged and is not there: %q", call, w, got)
				}
			}
			if len(got) > 10 {
				t.Fatalf("call %d: doubled: %q", call, got)
			}
			s.Close()
		}
	}
}

// FuzzOpen opens a segment with any bytes after its head: it must open, keep
// the entries that are whole, and take more.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	s := open(f, options(dir))
	head := s.last().size
	path := s.last().path
	put(f, s, 1, "one", "two")
	put(f, s, 0, "three")
	s.Close()
	full, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full[head:])
	f.Add(full[head : len(full)-1])
	f.Add(full)
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 'E'})
	f.Fuzz(func(t *testing.T, tail []byte) {
		dir := t.TempDir()
		p := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(p, append(bytes.Clone(full[:head]), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, options(dir))
		_, next := s.Range()
		if r := put(t, s, 0, "more"); r.End != next+1 {
			t.Fatalf("%+v, want the end %d", r, next+1)
		}
		if next > 1<<20 {
			return
		}
		if got := all(t, s, 0, next+1, 1<<10); got[next] != "more" {
			t.Fatalf("got %q", got)
		}
		s.Close()
		s = open(t, options(dir))
		if _, n := s.Range(); n != next+1 {
			t.Fatalf("opened again it ends at %d, want %d", n, next+1)
		}
	})
}

// FuzzHead opens any bytes as a segment: an error, or a spool.
func FuzzHead(f *testing.F) {
	var b bytes.Buffer
	appendHead(&b, head{id: 7, base: 0, keys: []remembered{{key: Key{1}, digest: 2, records: 3, end: 4}}})
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000000.spool"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(options(dir))
		if err != nil {
			return
		}
		if _, err := s.Append(t.Context(), entryOf(0, "x")); err != nil {
			t.Fatal(err)
		}
		s.Close()
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, fsync := range []bool{false, true} {
		b.Run(fmt.Sprintf("fsync=%v", fsync), func(b *testing.B) {
			opt := options(b.TempDir())
			opt.Fsync = fsync
			s := open(b, opt)
			recs := make([]string, 500)
			for i := range recs {
				recs[i] = strings.Repeat("x", 300)
			}
			e := entryOf(0, recs...)
			b.SetBytes(int64(len(e.Data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.Append(b.Context(), e)
				if err != nil {
					b.Fatal(err)
				}
				s.Commit(r.End)
				if err := s.Keep(r.End); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
