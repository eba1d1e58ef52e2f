package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// series is the output of one stream that is appended to: one file, or parts
// one after the other, and a journal.
type series struct {
	cfg     Config
	fs      fileSystem
	encode  appender
	path    string // with {part} left
	journal *journal
	data    osFile // the part that is open, or nil
	part    int    // its number
	dirty   bool   // it may end in bytes that do not belong there
}

// appender encodes an epoch's records for the end of a file.
type appender interface {
	// append writes the records; begin says that they are the file's first.
	append(w io.Writer, records []arrow.Record, begin bool) error
	// columns is the hash of the columns that a file's beginning fixes, "" if
	// it fixes none.
	columns() string
}

// write appends the epoch's rows unless the journal has the key.
//
//  1. The data is written behind what the journal says is there.
//  2. It is made durable, then the journal's entry is.
//
// A crash in between leaves bytes behind the journal's size: the next write
// cuts them off first. So does an error.
func (s *series) write(ctx context.Context, key pipeline.Key, records []arrow.Record) error {
	name := key.String()
	if s.journal.known[name] {
		return nil
	}
	at, err := s.position()
	if err != nil {
		return err
	}
	out := &countingWriter{w: s.data, ctx: ctx}
	s.dirty = true
	err = s.encode.append(out, records, at.Size == 0)
	if err == nil && s.cfg.Fsync {
		err = s.data.Sync()
	}
	if err == nil {
		next := entry{Key: name, Part: at.Part, Size: at.Size + out.n, Rows: at.Rows, Schema: s.encode.columns()}
		for _, rec := range records {
			next.Rows += rec.NumRows()
		}
		err = s.journal.add(next)
	}
	if err != nil {
		s.dirty = cutBack(s.data, at.Size) != nil
		return err
	}
	s.dirty = false
	return nil
}

// position opens the part that the next epoch goes to and returns its state.
func (s *series) position() (entry, error) {
	last := s.journal.last
	switch {
	case last == nil:
		first := 0
		if s.cfg.rotates() {
			first = 1
		}
		return s.begin(first)
	case last.Size > 0 && last.Schema != s.encode.columns() && !s.cfg.rotates():
		return entry{}, fmt.Errorf("%s begins with other columns than the pipeline has now: move it and %s away, or put {part} into the path",
			s.name(last.Part), s.journal.path)
	case last.Size > 0 && (last.Schema != s.encode.columns() || s.full(*last)):
		return s.begin(last.Part + 1)
	}
	if s.data != nil && s.part == last.Part && !s.dirty {
		return *last, nil
	}
	return *last, s.open(*last)
}

// full reports whether the part has reached a limit.
func (s *series) full(at entry) bool {
	return s.cfg.RotateRows > 0 && at.Rows >= s.cfg.RotateRows || s.cfg.RotateBytes > 0 && at.Size >= int64(s.cfg.RotateBytes)
}

// name is the file of a part.
func (s *series) name(part int) string {
	return strings.ReplaceAll(s.path, "{part}", fmt.Sprintf("%06d", part))
}

// begin starts a part. The journal says so before the part has its first byte:
// a file with contents that the journal does not know is somebody else's, and
// is not touched.
func (s *series) begin(part int) (entry, error) {
	path := s.name(part)
	f, err := s.fs.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return entry{}, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	f.Close()
	if err == nil && size > 0 {
		err = fmt.Errorf("%s is there already and its journal %s does not know it: move it away, or write to another path",
			path, filepath.Base(s.journal.path))
	}
	if err != nil {
		return entry{}, err
	}
	at := entry{Part: part, Schema: s.encode.columns()}
	if err := s.journal.add(at); err != nil {
		return entry{}, err
	}
	return at, s.open(at)
}

// open opens a part and cuts off what an unfinished write left.
func (s *series) open(at entry) error {
	if s.data != nil {
		s.data.Close()
		s.data = nil
	}
	path := s.name(at.Part)
	f, err := s.fs.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < at.Size {
		err = fmt.Errorf("%s has %d bytes, its journal says %d: something has shortened it; restore it, or move it and %s away",
			path, size, at.Size, s.journal.path)
	}
	if err == nil {
		err = cutBack(f, at.Size)
	}
	if err == nil && s.cfg.Fsync {
		err = s.fs.SyncDir(path)
	}
	if err != nil {
		f.Close()
		return err
	}
	s.data, s.part, s.dirty = f, at.Part, false
	return nil
}

func (s *series) close() error {
	var err error
	if s.data != nil {
		err = s.data.Close()
	}
	if e := s.journal.file.Close(); err == nil {
		err = e
	}
	return err
}

// countingWriter counts bytes and ends with the context.
type countingWriter struct {
	w   io.Writer
	ctx context.Context
	n   int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
