package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// reading is a followed file: what came so far, and where it ended.
type reading struct {
	t    *testing.T
	src  pipeline.Source
	text string
	last pipeline.Position
}

func follow(t *testing.T, dir, pattern string, resume map[string]pipeline.Resume) *reading {
	t.Helper()
	src, err := open(t, dir, resume, func(c *Config) { c.Path, c.Follow = pattern, true })
	if err != nil {
		t.Fatal(err)
	}
	return &reading{t: t, src: src}
}

// until reads until the text is all there, and fails if it differs.
func (r *reading) until(want string) {
	r.t.Helper()
	for r.text != want {
		if !strings.HasPrefix(want, r.text) {
			r.t.Fatalf("read %q, want %q", r.text, want)
		}
		c, err := r.src.Read(r.t.Context())
		if err != nil {
			r.t.Fatalf("%v after %q", err, r.text)
		}
		if c.Span.From != r.last && r.last != "" {
			r.t.Fatalf("a gap: from %s after %s", c.Span.From, r.last)
		}
		r.text += string(c.Data)
		r.last = c.Span.To
		c.Release()
	}
}

func appendTo(t *testing.T, path, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestFollowGrowth waits for a line's end, and for a file that is not there yet.
func TestFollowGrowth(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	r := follow(t, dir, "log", nil)
	appendTo(t, path, "a1\na")
	r.until("a1\n")
	appendTo(t, path, "2")
	appendTo(t, path, "2\na3\n")
	r.until("a1\na22\na3\n")
	if _, err := parsePlace(r.last); err != nil || !strings.HasPrefix(string(r.last), "10:") {
		t.Errorf("position %s, %v", r.last, err)
	}
	appendTo(t, path, "open")
	deadline := time.Now().Add(5 * time.Second)
	for {
		left, total, unit, known := r.src.(pipeline.Lagger).Lag()
		if left == 4 && total == 0 && unit == "bytes" && known {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("lag %d of %d %s", left, total, unit)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestFollowRotation renames the file under a writer that goes on writing to
// it, then makes it anew; twice.
func TestFollowRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	appendTo(t, path, "a1\n")
	r := follow(t, dir, "log", nil)
	r.until("a1\n")
	rename(t, path, path+".1")
	appendTo(t, path+".1", "a2\na-half")
	appendTo(t, path, "b1\n")
	// The old file's last line had no end: it ends with the file.
	r.until("a1\na2\na-halfb1\n")
	appendTo(t, path, "b2\n")
	rename(t, path, path+".2")
	appendTo(t, path, "c1\n")
	r.until("a1\na2\na-halfb1\nb2\nc1\n")
}

func TestFollowTruncation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	appendTo(t, path, "a1\na2\n")
	r := follow(t, dir, "log", nil)
	r.until("a1\na2\n")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, "b1\n")
	r.until("a1\na2\nb1\n")
	appendTo(t, path, "b2\n")
	r.until("a1\na2\nb1\nb2\n")
}

// TestFollowResume stops in the middle, rotates the file meanwhile, and goes on.
func TestFollowResume(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(dir, path string)
		want   string
	}{
		{"grown", func(_, path string) { appendTo(t, path, "a3\n") }, "a3\n"},
		{"rotated", func(_, path string) {
			appendTo(t, path, "a3\n")
			rename(t, path, path+".1")
			appendTo(t, path, "b1\n")
		}, "a3\nb1\n"},
		{"rotated and gone", func(_, path string) {
			rename(t, path, path+".1")
			appendTo(t, path, "b1\n")
			if err := os.Remove(path + ".1"); err != nil {
				t.Fatal(err)
			}
		}, "b1\n"},
		{"truncated", func(_, path string) { write(t, path, []byte("c\n")) }, "c\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "log")
			appendTo(t, path, "a1\na2\n")
			r := follow(t, dir, "log", nil)
			r.until("a1\na2\n")
			tc.change(dir, path)
			follow(t, dir, "log", map[string]pipeline.Resume{"log": {From: r.last}}).until(tc.want)
		})
	}
}

// TestFollowLostEpoch takes away what an epoch that was begun needs: an error,
// since the epoch may be half written.
func TestFollowLostEpoch(t *testing.T) {
	for how, change := range map[string]func(path string){
		"was truncated": func(path string) { write(t, path, []byte("c\n")) },
		"was rotated and is gone": func(path string) {
			rename(t, path, path+".1")
			appendTo(t, path, "b1\n")
			if err := os.Remove(path + ".1"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "log")
		appendTo(t, path, "a1\n")
		r := follow(t, dir, "log", nil)
		r.until("a1\n")
		from := r.last
		appendTo(t, path, "a2\n")
		r.until("a1\na2\n")
		change(path)
		src, err := open(t, dir, map[string]pipeline.Resume{"log": {From: from, Until: []pipeline.Position{r.last}}},
			func(c *Config) { c.Path, c.Follow = "log", true })
		if err == nil { // it may also be found out by the first read
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err = src.Read(ctx)
			cancel()
		}
		if err == nil || !strings.Contains(err.Error(), how) || !strings.Contains(err.Error(), "unfinished epoch") {
			t.Errorf("%s: got %v", how, err)
		}
	}
}

// TestFollowUntil ends chunks at recorded positions, in both files of a
// rotation.
func TestFollowUntil(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	appendTo(t, path, "a1\n")
	r := follow(t, dir, "log", nil)
	r.until("a1\n")
	first := r.last
	appendTo(t, path, "a2\n")
	r.until("a1\na2\n")
	until := []pipeline.Position{r.last}
	appendTo(t, path, "a3\n")
	r.until("a1\na2\na3\n")
	rename(t, path, path+".1")
	appendTo(t, path, "b1\n")
	r.until("a1\na2\na3\nb1\n")
	until = append(until, r.last)
	appendTo(t, path, "b2\n")

	again := follow(t, dir, "log", map[string]pipeline.Resume{"log": {From: first, Until: until}})
	var ends []pipeline.Position
	for again.text != "a2\na3\nb1\nb2\n" {
		c, err := again.src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again.text += string(c.Data)
		ends = append(ends, c.Span.To)
		c.Release()
	}
	for _, u := range until {
		if indexOf(ends, u) < 0 {
			t.Errorf("no chunk ends at %s: %v", u, ends)
		}
	}
}

// TestFollowSeveral takes up files as they appear; each is a partition.
func TestFollowSeveral(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "1.log"), "one\n")
	r := follow(t, dir, "*.log", nil)
	got := map[string]string{}
	for i := 0; i < 4; {
		c, err := r.src.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got[c.Span.Partition] += string(c.Data)
		i += c.Records
		if i == 1 {
			for k := 2; k <= 4; k++ {
				appendTo(t, filepath.Join(dir, fmt.Sprintf("%d.log", k)), fmt.Sprintf("%d\n", k))
			}
		}
		c.Release()
	}
	if got["1.log"] != "one\n" || got["2.log"] != "2\n" || got["4.log"] != "4\n" {
		t.Error(got)
	}
}

func TestFollowRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "z"), zst(t, "x\n"))
	_, err := open(t, dir, nil, func(c *Config) { c.Path, c.Follow = "z", true })
	if err == nil || !strings.Contains(err.Error(), "plain files only, this one is zstd") {
		t.Error(err)
	}
}
