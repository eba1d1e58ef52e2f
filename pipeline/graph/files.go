package graph

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sluicehq/sluice/pipeline"
)

// maxFile bounds a rule, list or model file.
const maxFile = 1 << 30

// DirFiles reads files below a folder (or by absolute path) and remembers what
// it gave, so that it can be stored with the epochs that are computed from it.
// A file is read once: all components of a graph see the same contents.
type DirFiles struct {
	dir      string
	watch    *Watch
	mu       sync.Mutex
	contents map[string][]byte
	globs    map[string][]string
}

var _ pipeline.Files = (*DirFiles)(nil)

// NewDirFiles returns the files of dir, the config file's folder.
func NewDirFiles(dir string) *DirFiles { return NewWatchedFiles(dir, NewWatch()) }

// NewWatchedFiles is NewDirFiles with all that is read remembered by watch.
func NewWatchedFiles(dir string, watch *Watch) *DirFiles {
	return &DirFiles{dir: dir, watch: watch, contents: map[string][]byte{}, globs: map[string][]string{}}
}

func (f *DirFiles) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.dir, path)
}

// ReadFile returns the contents of path. The caller must not change them.
func (f *DirFiles) ReadFile(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data, ok := f.contents[path]; ok {
		return data, nil
	}
	data, err := f.watch.ReadFile(f.abs(path), readRegular)
	if err != nil {
		return nil, err
	}
	f.contents[path] = data
	return data, nil
}

func readRegular(abs string) ([]byte, error) {
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", abs)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", abs, info.Size(), maxFile)
	}
	return os.ReadFile(abs)
}

// Glob returns the paths that match pattern, sorted, relative to the folder
// where the pattern is.
func (f *DirFiles) Glob(pattern string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if paths, ok := f.globs[pattern]; ok {
		return paths, nil
	}
	paths, err := f.watch.Glob(f.abs(pattern))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	if !filepath.IsAbs(pattern) {
		for i, p := range paths {
			if rel, err := filepath.Rel(f.dir, p); err == nil {
				paths[i] = rel
			}
		}
	}
	slices.Sort(paths)
	f.globs[pattern] = paths
	return paths, nil
}

// Read returns what was read so far: contents by path, and matches by pattern.
func (f *DirFiles) Read() (contents map[string][]byte, globs map[string][]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.contents, f.globs
}

// Forget lets go of the contents: plans may keep the files that they were made
// with, and need them no more.
func (f *DirFiles) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.contents, f.globs = map[string][]byte{}, map[string][]string{}
}

// StoredFiles gives files from memory, as they were when an epoch was begun.
type StoredFiles struct {
	Get   func(path string) ([]byte, error)
	Globs map[string][]string
}

var _ pipeline.Files = StoredFiles{}

// ReadFile returns the stored contents of path.
func (f StoredFiles) ReadFile(path string) ([]byte, error) { return f.Get(path) }

// Glob returns the stored matches of pattern.
func (f StoredFiles) Glob(pattern string) ([]string, error) {
	paths, ok := f.Globs[pattern]
	if !ok {
		return nil, fmt.Errorf("pattern %q was not stored", pattern)
	}
	return paths, nil
}

// stepFiles remembers what one step has read: by hash, not the contents.
type stepFiles struct {
	mu       sync.Mutex
	files    pipeline.Files // nil once the step is planned
	contents map[string]stepFile
	globs    map[string][]string
}

type stepFile struct {
	sum    [sha256.Size]byte
	failed bool
}

var errPlanned = errors.New("files are read while a step is planned, and not later: a defect of the operator")

func newStepFiles(files pipeline.Files) *stepFiles {
	return &stepFiles{files: files, contents: map[string]stepFile{}, globs: map[string][]string{}}
}

// planned lets go of the files.
func (f *stepFiles) planned() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files = nil
}

// ReadFile implements pipeline.Files.
func (f *stepFiles) ReadFile(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		return nil, errPlanned
	}
	data, err := f.files.ReadFile(path)
	f.contents[path] = stepFile{sha256.Sum256(data), err != nil}
	return data, err
}

// Glob implements pipeline.Files.
func (f *stepFiles) Glob(pattern string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		return nil, errPlanned
	}
	paths, err := f.files.Glob(pattern)
	f.globs[pattern] = slices.Clone(paths)
	return paths, err
}

// same tells whether files gives what f was given. It reads what the step would
// read, so that the files are recorded for this graph too.
func (f *stepFiles) same(files pipeline.Files) bool {
	for pattern, paths := range f.globs {
		if now, err := files.Glob(pattern); err != nil || !slices.Equal(now, paths) {
			return false
		}
	}
	for path, was := range f.contents {
		data, err := files.ReadFile(path)
		if (stepFile{sha256.Sum256(data), err != nil}) != was {
			return false
		}
	}
	return true
}
