package graph

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settled is how long before a look a file must have been written for its size
// and time alone to tell that it is as it was: what is written within the grain
// of the file system's clock leaves both as they are. Some have a grain of 2 s.
const settled = 3 * time.Second

// Watch remembers the files that were read through it, and tells which are not
// as they were any more. It looks at them anew by name, links followed: so it
// needs no support by the file system, and sees a file that was replaced by a
// rename, and a folder that was, as Kubernetes does with ConfigMaps.
//
// It is for one goroutine at a time.
type Watch struct {
	files map[string]*watched
	globs map[string][]string
}

// watched is a file as it was when it was read or looked at last.
type watched struct {
	read func(string) ([]byte, error)
	info fs.FileInfo // nil: it could not be looked at
	at   time.Time   // when
	sum  [sha256.Size]byte
	gone bool // it could not be read
}

// NewWatch returns a Watch of no files.
func NewWatch() *Watch {
	return &Watch{files: map[string]*watched{}, globs: map[string][]string{}}
}

// ReadFile reads a file by read, and remembers what it got, an error too: so a
// file that is missing now is noticed when it comes.
func (w *Watch) ReadFile(path string, read func(string) ([]byte, error)) ([]byte, error) {
	// The file is looked at before it is read: what changes in between is
	// found to be newer than the look.
	f := look(path)
	data, err := read(path)
	f.read, f.sum, f.gone = read, sha256.Sum256(data), err != nil
	w.files[path] = f
	return data, err
}

// Glob is filepath.Glob, remembered.
func (w *Watch) Glob(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	w.globs[pattern] = slices.Clone(paths)
	return paths, err
}

// look returns what can be seen of a file from outside.
func look(path string) *watched {
	f := &watched{at: time.Now()}
	if info, err := os.Stat(path); err == nil {
		f.info = info
	}
	return f
}

// Keep adds what old has seen and w has not: when reading ended early, the
// files that were not reached are still to be watched.
func (w *Watch) Keep(old *Watch) {
	for path, f := range old.files {
		if w.files[path] == nil {
			w.files[path] = f
		}
	}
	for pattern, paths := range old.globs {
		if _, ok := w.globs[pattern]; !ok {
			w.globs[pattern] = paths
		}
	}
}

// Change is what Changed has found.
type Change struct {
	Paths []string // files and patterns, sorted
	// Mark differs between two looks when a file was written in between: while
	// it does, a writer may be at work still.
	Mark string
}

// Changed returns the files and patterns of which the contents or the matches
// are not those that were read. Only files that look different, or were written
// just before they were looked at, are read.
func (w *Watch) Changed() (c Change) {
	var mark strings.Builder
	for _, path := range slices.Sorted(maps.Keys(w.files)) {
		if now, yes := w.changed(path, w.files[path]); yes {
			c.Paths = append(c.Paths, path)
			fmt.Fprintf(&mark, "%q ", path)
			if now.info != nil {
				fmt.Fprintf(&mark, "%d %d ", now.info.Size(), now.info.ModTime().UnixNano())
			}
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(w.globs)) {
		if now, err := filepath.Glob(pattern); err == nil && !slices.Equal(now, w.globs[pattern]) {
			c.Paths = append(c.Paths, pattern)
			fmt.Fprintf(&mark, "%q %q ", pattern, now)
		}
	}
	slices.Sort(c.Paths)
	c.Mark = mark.String()
	return c
}

func (w *Watch) changed(path string, old *watched) (now *watched, yes bool) {
	now = look(path)
	if old.looksLike(now) {
		return now, false
	}
	data, err := old.read(path)
	if gone := err != nil; gone != old.gone || !gone && sha256.Sum256(data) != old.sum {
		return now, true
	}
	// The same contents: remember how they look now, so that they need not be
	// read again.
	old.info, old.at = now.info, now.at
	return now, false
}

// looksLike tells whether a file can be taken to be unchanged unread.
func (w *watched) looksLike(now *watched) bool {
	if w.info == nil || now.info == nil {
		return w.info == nil && now.info == nil && w.gone
	}
	return os.SameFile(w.info, now.info) && w.info.Size() == now.info.Size() && w.info.ModTime().Equal(now.info.ModTime()) &&
		w.info.Mode() == now.info.Mode() && w.at.Sub(w.info.ModTime()) > settled
}
