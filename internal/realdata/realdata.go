// Package realdata opens the real data that tests and benchmarks look at. It is
// no part of the project: SLUICE_DATA names its folder, which by default is
// shared/data beside the one of the module. Tests skip without it.
package realdata

import (
	"bufio"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Posts is the greatest file of posts, a million of them, in the plain format.
const Posts = "ira_to_2016-06.jsonl.zst"

// maxLine is the most bytes of a line.
const maxLine = 1 << 20

// Root returns the folder of the data, or an error when it is not there.
func Root() (string, error) {
	dir := os.Getenv("SLUICE_DATA")
	if dir == "" {
		module, err := moduleDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(module, "..", "shared", "data")
	}
	_, err := os.Stat(dir)
	return dir, err
}

// moduleDir returns the folder of go.mod; tests run below it.
func moduleDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in any folder above")
		}
		dir = up
	}
}

// Path returns the path of a file or folder of the data, or skips the test.
func Path(tb testing.TB, parts ...string) string {
	tb.Helper()
	root, err := Root()
	if err != nil {
		tb.Skipf("no real data: %v; set SLUICE_DATA", err)
	}
	path := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("no real data: %v; set SLUICE_DATA", err)
	}
	return path
}

// Read returns the contents of a file of the data, or skips the test.
func Read(tb testing.TB, parts ...string) []byte {
	tb.Helper()
	data, err := os.ReadFile(Path(tb, parts...))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Lines yields the lines of a file of posts, without their ends; each is the
// caller's until the next. The test is skipped when there is no such file.
func Lines(tb testing.TB, posts string) iter.Seq[[]byte] {
	tb.Helper()
	path := Path(tb, "posts", posts)
	return func(yield func([]byte) bool) {
		tb.Helper()
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		z, err := zstd.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		defer z.Close()
		sc := bufio.NewScanner(z)
		sc.Buffer(nil, maxLine)
		for sc.Scan() {
			if !yield(sc.Bytes()) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
	}
}

// Post is what tests want of a post.
type Post struct {
	Text     string
	FullText string `json:"full_text"` // instead of Text, in files of Twitter's
	Lang     string
}

// EachPost yields every n-th post of a file, the first included, with its text
// in Text.
func EachPost(tb testing.TB, posts string, n int) iter.Seq[Post] {
	tb.Helper()
	lines := Lines(tb, posts)
	return func(yield func(Post) bool) {
		tb.Helper()
		i := -1
		for line := range lines {
			if i++; i%n != 0 {
				continue
			}
			var p Post
			if err := json.Unmarshal(line, &p); err != nil {
				tb.Fatalf("%s: line %d: %v", posts, i+1, err)
			}
			if p.Text == "" {
				p.Text = p.FullText
			}
			if !yield(p) {
				return
			}
		}
	}
}
