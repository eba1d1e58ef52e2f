package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd frame may ask for.
const maxWindow = 256 << 20

// expand returns the files that the patterns name, sorted and each once. Names
// are as the config writes them; relative ones start at dir. A pattern without
// a match is an error unless it may appear later.
func expand(dir string, patterns []string, later bool) ([]string, error) {
	var out []string
	for _, p := range patterns {
		if p == "-" {
			return []string{"-"}, nil
		}
		found, err := filepath.Glob(absolute(dir, p))
		if err != nil {
			return nil, fmt.Errorf("file: pattern %q: %w", p, err)
		}
		if len(found) == 0 {
			if later {
				continue
			}
			if strings.ContainsAny(p, "*?[") {
				return nil, fmt.Errorf("file: no file matches %q (in %s)", p, filepath.Dir(absolute(dir, p)))
			}
			return nil, fmt.Errorf("file: there is no file %q (%s)", p, absolute(dir, p))
		}
		for _, f := range found {
			if !filepath.IsAbs(p) && dir != "" {
				if rel, err := filepath.Rel(dir, f); err == nil {
					f = rel
				}
			}
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// absolute returns where a file lies that the config names.
func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// check refuses what cannot be read as a file, before anything is read.
func check(path string) (size int64, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("file: %w", err)
	}
	if st.IsDir() {
		return 0, fmt.Errorf("file: %s is a directory: name its files, as in %s", path, filepath.Join(path, "*.jsonl"))
	}
	if !st.Mode().IsRegular() {
		return 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("file: %w", err)
	}
	return st.Size(), f.Close()
}

// codec is how a file is compressed.
type codec uint8

const (
	plainText codec = iota
	gzipped
	zstandard
)

func (c codec) String() string { return [...]string{"plain", "gzip", "zstd"}[c] }

// codecOf tells the codec by the first bytes: RFC 1952 section 2.3.1, RFC 8878
// sections 3.1.1 and 3.1.2 (a skippable frame may come first).
func codecOf(head []byte) codec {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstandard
	}
	return plainText
}

// counter counts the bytes that are read from a file.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// input is an open file, decompressed.
type input struct {
	io.Reader
	codec codec
	pipe  bool
	file  *os.File
	free  func()
}

// openInput opens a file and begins to read at offset of its decompressed
// contents. Compressed files, and pipes, are read and dropped up to there.
// io.ErrUnexpectedEOF, wrapped, says that the contents end before it.
func openInput(path string, offset int64, read *atomic.Int64) (*input, error) {
	in := &input{file: os.Stdin, free: func() {}, pipe: true}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
		in.file = f
		st, err := f.Stat()
		in.pipe = err != nil || !st.Mode().IsRegular()
	}
	raw := bufio.NewReaderSize(counter{in.file, read}, 64<<10)
	head, err := raw.Peek(4)
	if err != nil && err != io.EOF {
		in.close()
		return nil, fmt.Errorf("file: %s: %w", path, err)
	}
	switch in.codec = codecOf(head); in.codec {
	case gzipped:
		z, err := gzip.NewReader(raw)
		if err != nil {
			in.close()
			return nil, &corruptError{path: path, codec: in.codec, err: err}
		}
		in.Reader = z
	case zstandard:
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			in.close()
			return nil, fmt.Errorf("file: %s: %w", path, err)
		}
		in.Reader, in.free = z, z.Close
	default:
		if !in.pipe {
			return in, in.seek(path, offset, read)
		}
		in.Reader = raw
	}
	if n, err := io.CopyN(io.Discard, in, offset); err != nil {
		in.close()
		if errors.Is(err, io.EOF) {
			return nil, shrunk(path, offset, n)
		}
		return nil, in.wrap(path, n, err)
	}
	return in, nil
}

// seek goes to offset of a plain file.
func (in *input) seek(path string, offset int64, read *atomic.Int64) error {
	in.Reader = counter{in.file, read}
	st, err := in.file.Stat()
	if err == nil && st.Size() < offset {
		err = shrunk(path, offset, st.Size())
	} else if err == nil {
		_, err = in.file.Seek(offset, io.SeekStart)
		read.Store(offset)
	}
	if err != nil {
		in.close()
	}
	return err
}

func shrunk(path string, offset, size int64) error {
	return fmt.Errorf("file: %s was read to byte %d before, and now holds %d bytes: put the file back as it was, or start with an empty checkpoint",
		path, offset, size)
}

// wrap says where in which file reading failed.
func (in *input) wrap(path string, offset int64, err error) error {
	if in.codec != plainText {
		return &corruptError{path: path, codec: in.codec, offset: offset, err: err}
	}
	return fmt.Errorf("file: %s at byte %d: %w", path, offset, err)
}

func (in *input) close() {
	in.free()
	if in.file != os.Stdin {
		in.file.Close() // it was only read
	}
}

// corruptError says that a compressed file is broken.
type corruptError struct {
	path   string
	codec  codec
	offset int64 // of the decompressed contents: so much is good
	err    error
}

func (e *corruptError) Error() string {
	return fmt.Sprintf("file: %s is broken (%s) after byte %d of its decompressed contents: %v; mend it, or set on_corrupt: skip",
		e.path, e.codec, e.offset, e.err)
}

func (e *corruptError) Unwrap() error { return e.err }
