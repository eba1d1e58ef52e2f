package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// Config is the sink's configuration.
type Config struct {
	Path        string            `koanf:"path" doc:"file to write, with {stream}, {partition}, {part} and {epoch} filled in, such as out/{stream}.jsonl"`
	Format      string            `koanf:"format" doc:"jsonl, parquet or arrow (an IPC stream)"`
	Compression string            `koanf:"compression" doc:"none, gzip or zstd"`
	RotateRows  int64             `koanf:"rotate_rows" doc:"begin a new part after this many rows, at an epoch's end; 0 does not"`
	RotateBytes pipeline.ByteSize `koanf:"rotate_bytes" doc:"begin a new part after this many bytes, at an epoch's end; 0 does not"`
	Fsync       bool              `koanf:"fsync" doc:"make each epoch survive a power failure, not only a crash"`
}

// Defaults returns the configuration before a user's file is read over it.
func Defaults() Config { return Config{Format: "jsonl", Compression: "none", Fsync: true} }

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// Validate checks the fields and how they fit together.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case c.Path == "":
		fail("path", "it is empty: write the file, such as out/{stream}.jsonl")
	case strings.HasSuffix(c.Path, "/") || filepath.Base(c.Path) == "." || filepath.Base(c.Path) == "..":
		fail("path", "%q is a folder: add the file's name, such as {stream}.jsonl", c.Path)
	}
	for _, p := range placeholder.FindAllString(c.Path, -1) {
		switch p {
		case "{stream}", "{partition}", "{part}":
		case "{epoch}":
			if c.Format != "parquet" {
				fail("path", "{epoch} is for format: parquet, which has a file an epoch; use rotate_rows or rotate_bytes with {part}")
			}
		default:
			fail("path", "%s is not known: write {stream}, {partition}, {part} or {epoch}", p)
		}
	}
	if c.Format == "parquet" && strings.Contains(c.Path, "{part}") {
		fail("path", "{part} is for formats that are appended to: parquet has a file an epoch, {epoch}")
	}
	switch c.Format {
	case "jsonl", "parquet", "arrow":
	default:
		fail("format", "%q: write jsonl, parquet or arrow", c.Format)
	}
	switch c.Compression {
	case "none", "zstd":
	case "gzip":
		if c.Format == "arrow" {
			fail("compression", "arrow streams are compressed with zstd or not at all")
		}
	default:
		fail("compression", "%q: write none, gzip or zstd", c.Compression)
	}
	if c.RotateRows < 0 {
		fail("rotate_rows", "%d: write a number of rows, or 0", c.RotateRows)
	}
	if c.Format == "parquet" && (c.RotateRows > 0 || c.RotateBytes > 0) {
		fail("", "rotate_rows and rotate_bytes do not apply to parquet: each epoch is a file")
	}
	return errors.Join(errs...)
}

// rotates reports whether output is cut into parts.
func (c *Config) rotates() bool {
	return c.RotateRows > 0 || c.RotateBytes > 0 || strings.Contains(c.Path, "{part}")
}

// template completes the path by the placeholder that its files need to be
// told apart: {part} where output rotates, {epoch} for parquet.
func (c *Config) template() string {
	need := ""
	switch {
	case c.Format == "parquet":
		need = "{epoch}"
	case c.rotates():
		need = "{part}"
	}
	if need == "" || strings.Contains(c.Path, need) {
		return c.Path
	}
	dir, base := filepath.Split(c.Path)
	stem, ext := base, ""
	if i := strings.IndexByte(base, '.'); i > 0 {
		stem, ext = base[:i], base[i:]
	}
	return dir + stem + "-" + need + ext
}
