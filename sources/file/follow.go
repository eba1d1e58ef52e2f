package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// grace is for how many polls a file that was renamed is still read without
// anything new before it is left: its writer may not have noticed yet.
const grace = 5

// follower reads files as they grow. Each path is a partition of its own.
type follower struct {
	*source
	tails  map[string]*tail
	resume map[string]resume
}

// tail follows one path.
type tail struct {
	*source
	name, path string
	resume     resume
	cut        cutter

	file  *os.File // nil while there is none at path
	id    string   // of file
	stale int      // polls in which file was at its end and no longer at path
}

func (s *source) newFollower(from map[string]pipeline.Resume) (*follower, error) {
	f := &follower{source: s, tails: map[string]*tail{}, resume: map[string]resume{}}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		r, err := parseResume(from[name])
		if err != nil {
			return nil, err
		}
		f.resume[name] = r
	}
	if err := f.discover(); err != nil {
		f.close()
		return nil, err
	}
	for name := range f.resume {
		if f.tails[name] == nil {
			s.logger.Warn("a file of the checkpoint is not there, or no longer in the config", "file", name)
		}
	}
	s.lag.known.Store(true)
	return f, nil
}

// discover takes up the files that match the patterns and are new. What is
// read under one name is not read again under the name that rotation gave it.
func (f *follower) discover() error {
	names, err := expand(f.dir, f.cfg.patterns(), true)
	if err != nil {
		return err
	}
	for _, name := range names {
		if f.tails[name] != nil {
			continue
		}
		t := &tail{
			source: f.source, name: name, path: absolute(f.dir, name), resume: f.resume[name],
			cut: cutter{pool: f.pool, max: int(f.cfg.MaxRecord)},
		}
		if _, err := check(t.path); errors.Is(err, fs.ErrNotExist) {
			continue // gone since it was listed
		} else if err != nil {
			return err
		}
		if err := t.open(); err != nil {
			return err
		}
		if t.file != nil && f.followed(t.id) {
			t.close()
			continue
		}
		f.tails[name] = t
	}
	return nil
}

func (f *follower) followed(id string) bool {
	for _, t := range f.tails {
		if t.id == id {
			return true
		}
	}
	return false
}

func (f *follower) close() {
	for _, t := range f.tails {
		t.close()
	}
}

// run gives each file its turn, and waits when none has anything new.
func (f *follower) run(ctx context.Context, out func(pipeline.Chunk) error) error {
	tick := time.NewTicker(f.cfg.PollInterval)
	defer tick.Stop()
	for {
		busy, left := false, int64(0)
		for _, name := range slices.Sorted(maps.Keys(f.tails)) {
			t := f.tails[name]
			more, err := t.step(out)
			if err != nil {
				return err
			}
			busy = busy || more
			left += t.left()
		}
		f.lag.left.Store(left)
		if err := ctx.Err(); err != nil {
			return err
		}
		if busy {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := f.discover(); err != nil {
			return err
		}
	}
}

// open opens the file at path, or the one of the checkpoint if that was renamed
// since.
func (t *tail) open() error {
	file, id, err := openTail(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	offset := int64(0)
	if r := t.resume; r.begun {
		t.resume.begun = false
		offset = r.from.offset
		if id != r.from.name {
			renamed, oldID := t.find(r.from.name)
			if renamed == nil {
				if err := t.lost(r.from.name, offset, "was rotated and is gone"); err != nil {
					file.Close()
					return err
				}
				t.logger.Warn("a file was rotated and is gone: what it held after the checkpoint is lost", "file", t.name, "offset", offset)
				offset = 0
			} else {
				file.Close()
				file, id = renamed, oldID
			}
		}
	}
	t.file, t.id, t.stale = file, id, 0
	return t.seek(offset)
}

// openTail opens a file that can be followed.
func openTail(path string) (*os.File, string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("file: %w", err)
	}
	head := make([]byte, 4)
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("follow reads regular files only")
	}
	if err == nil {
		n, _ := file.ReadAt(head, 0) // a short file is a plain one so far
		if c := codecOf(head[:n]); c != plainText {
			err = fmt.Errorf("follow reads plain files only, this one is %s", c)
		}
	}
	id := ""
	if err == nil {
		id, err = identity(st)
	}
	if err != nil {
		file.Close()
		return nil, "", fmt.Errorf("file: %s: %w", path, err)
	}
	return file, id, nil
}

// find looks in the file's folder for the file of that identity.
func (t *tail) find(id string) (*os.File, string) {
	entries, err := os.ReadDir(filepath.Dir(t.path))
	if err != nil {
		return nil, ""
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		st, err := e.Info()
		if err != nil {
			continue
		}
		if got, err := identity(st); err != nil || got != id {
			continue
		}
		if file, got, err := openTail(filepath.Join(filepath.Dir(t.path), e.Name())); err == nil {
			if got == id {
				return file, id
			}
			file.Close()
		}
	}
	return nil, ""
}

// lost is an error if an epoch that was begun reaches beyond offset in a file
// that no longer has those bytes: the epoch may be half written, and can not be
// finished without them.
func (t *tail) lost(id string, offset int64, how string) error {
	if end := t.resume.limit(id, offset); end >= 0 {
		return fmt.Errorf("file: %s %s after byte %d, but an unfinished epoch needs it up to byte %d: bring the file back, or start anew with another checkpoint.path", t.path, how, offset, end)
	}
	return nil
}

// seek goes to offset, or to the beginning of a file that is shorter.
func (t *tail) seek(offset int64) error {
	st, err := t.file.Stat()
	if err == nil {
		if st.Size() < offset {
			if err := t.lost(t.id, offset, "was truncated"); err != nil {
				return err
			}
			t.logger.Warn("a file was truncated: reading it from its beginning", "file", t.name, "offset", offset, "size", st.Size())
			offset = 0
		}
		_, err = t.file.Seek(offset, io.SeekStart)
	}
	t.cut.reset(offset)
	if err != nil {
		return fmt.Errorf("file: %s: %w", t.path, err)
	}
	return nil
}

// step sends one piece, if there is one, and reports whether there may be more.
func (t *tail) step(out func(pipeline.Chunk) error) (more bool, err error) {
	if t.file == nil {
		if err := t.open(); err != nil || t.file == nil {
			return false, err
		}
	}
	p, err := t.cut.next(t.file, t.resume.limit(t.id, t.cut.base))
	switch {
	case err == nil:
		t.stale = 0
		return true, t.send(p, out)
	case !errors.Is(err, errNoMore):
		return false, fmt.Errorf("file: %s at byte %d: %w", t.path, t.cut.base, err)
	}
	return t.atEnd(out)
}

// atEnd looks whether the file was rotated or truncated.
func (t *tail) atEnd(out func(pipeline.Chunk) error) (more bool, err error) {
	now, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // renamed, and not made anew yet: what is open may still grow
	}
	if err != nil {
		return false, fmt.Errorf("file: %w", err)
	}
	id, err := identity(now)
	if err != nil {
		return false, err
	}
	if id == t.id {
		t.stale = 0
		if now.Size() >= t.cut.base+t.cut.pending() {
			return false, nil
		}
		if err := t.last(out); err != nil {
			return false, err
		}
		return true, t.seek(t.cut.base)
	}
	if t.stale++; t.stale <= grace {
		return false, nil
	}
	if err := t.last(out); err != nil {
		return false, err
	}
	t.file.Close()
	t.file = nil
	return true, t.open()
}

// last sends a line without an end, which will get none.
func (t *tail) last(out func(pipeline.Chunk) error) error {
	if p, ok := t.cut.rest(); ok {
		return t.send(p, out)
	}
	return nil
}

func (t *tail) send(p piece, out func(pipeline.Chunk) error) error {
	from := t.resume.last
	t.resume.last = place{p.to, t.id}.position()
	return out(t.chunk(t.name, t.name, from, t.resume.last, p))
}

// left is what of the file was not sent yet.
func (t *tail) left() int64 {
	if t.file == nil {
		return 0
	}
	st, err := t.file.Stat()
	if err != nil {
		return 0
	}
	return max(0, st.Size()-t.cut.base)
}

func (t *tail) close() {
	t.cut.close()
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}
