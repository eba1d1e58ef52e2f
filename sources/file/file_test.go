package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts a source over dir; set changes its config.
func open(t testing.TB, dir string, resume map[string]pipeline.Resume, set func(*Config)) (pipeline.Source, error) {
	t.Helper()
	cfg := Defaults()
	cfg.ChunkSize = 4 << 10
	cfg.PollInterval = 2 * time.Millisecond
	set(&cfg)
	plan, err := newPlan(pipeline.BuildContext{Dir: dir, Mem: memory.DefaultAllocator, Logger: slog.New(slog.DiscardHandler)}, &cfg)
	if err != nil {
		return nil, err
	}
	src, err := plan.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return src, src.Open(t.Context(), resume)
}

// got is what was read of one origin, and the positions after each chunk.
type got struct {
	text    map[string]string
	ends    []pipeline.Position
	records int
}

// drain reads to the end and checks that chunks have no gaps.
func drain(t testing.TB, src pipeline.Source, from pipeline.Position) (got, error) {
	t.Helper()
	g := got{text: map[string]string{}}
	for {
		c, err := src.Read(t.Context())
		if err == io.EOF {
			return g, nil
		}
		if err != nil {
			return g, err
		}
		if c.Span.From != from {
			t.Fatalf("chunk from %q, want %q", c.Span.From, from)
		}
		from = c.Span.To
		if n := len(strings.SplitAfter(strings.TrimSuffix(string(c.Data), "\n"), "\n")); c.Records != n {
			t.Fatalf("chunk of %d lines says %d", n, c.Records)
		}
		g.records += c.Records
		g.text[c.Origin] += string(c.Data)
		g.ends = append(g.ends, from)
		for i := range c.Data {
			c.Data[i] = '!' // whoever still looks at the memory sees it
		}
		c.Release()
	}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "{\"id\":\"%d\",\"text\":\"%s\"}\n", i, strings.Repeat("x", i*7%200))
	}
	return b.String()
}

func gz(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

func zst(t testing.TB, s string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(s), nil)
}

// TestCodecs reads the same lines from files of each kind, whose names say
// nothing of it, whole and from each position that the first reading had.
func TestCodecs(t *testing.T) {
	a, b := numbered(0, 300), numbered(300, 500)
	skippable := []byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}
	for name, data := range map[string][]byte{
		"plain":         []byte(a + b),
		"no final end":  []byte(strings.TrimSuffix(a+b, "\n")),
		"gzip members":  append(gz(a), gz(b)...),
		"zstd frames":   append(zst(t, a), zst(t, b)...),
		"zstd skip":     append(append(skippable, zst(t, a)...), zst(t, b)...),
		"windows lines": []byte(strings.ReplaceAll(a+b, "\n", "\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			want := a + b
			switch name {
			case "no final end":
				want = strings.TrimSuffix(want, "\n")
			case "windows lines":
				want = string(data)
			}
			dir := t.TempDir()
			write(t, filepath.Join(dir, "one"), data)
			write(t, filepath.Join(dir, "two"), []byte(numbered(0, 10)))
			set := func(c *Config) { c.Paths = []string{"two", "o*", "one"} }
			src, err := open(t, dir, nil, set)
			if err != nil {
				t.Fatal(err)
			}
			g, err := drain(t, src, "")
			if err != nil || g.text["one"] != want || g.text["two"] != numbered(0, 10) || g.records != 510 {
				t.Fatalf("%d records, %d bytes, want %d; %v", g.records, len(g.text["one"]), len(want), err)
			}
			if len(g.ends) < 10 {
				t.Fatalf("only %d chunks", len(g.ends))
			}
			if left, total, unit, known := src.(pipeline.Lagger).Lag(); left != 0 || total != int64(len(data)+len(numbered(0, 10))) || unit != "bytes" || !known {
				t.Errorf("lag %d of %d %s, %v", left, total, unit, known)
			}
			full := g.text["one"] + g.text["two"]
			last := len(g.ends) - 1
			for i, from := range g.ends {
				src, err := open(t, dir, map[string]pipeline.Resume{partition: {From: from}}, set)
				if err != nil {
					t.Fatal(err)
				}
				g, err := drain(t, src, from)
				if rest := g.text["one"] + g.text["two"]; err != nil || !strings.HasSuffix(full, rest) {
					t.Fatalf("from %s: %v, %d bytes", from, err, len(rest))
				} else if i == last && rest != "" {
					t.Fatalf("from the end: %d bytes", len(rest))
				}
			}
		})
	}
}

// TestUntil reads with another chunk size and recorded ends: no chunk may
// straddle one.
func TestUntil(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), []byte(numbered(0, 300)))
	write(t, filepath.Join(dir, "b"), zst(t, numbered(300, 600)))
	paths := func(c *Config) { c.Path = "[ab]" }
	src, err := open(t, dir, nil, paths)
	if err != nil {
		t.Fatal(err)
	}
	first, err := drain(t, src, "")
	if err != nil {
		t.Fatal(err)
	}
	from, until := first.ends[2], []pipeline.Position{}
	for i, p := range first.ends[3:] {
		if i%3 != 1 {
			until = append(until, p)
		}
	}
	src, err = open(t, dir, map[string]pipeline.Resume{partition: {From: from, Until: until}}, func(c *Config) {
		paths(c)
		c.ChunkSize = 1 << 20
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := drain(t, src, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range until {
		if at := indexOf(again.ends, u); at < 0 {
			t.Errorf("no chunk ends at %s: %v", u, again.ends)
		}
	}
	if all := first.text["a"] + first.text["b"]; !strings.HasSuffix(all, again.text["a"]+again.text["b"]) || len(again.ends) > len(until)+2 {
		t.Errorf("%d chunks, %d bytes", len(again.ends), len(again.text["a"]+again.text["b"]))
	}
}

func indexOf(in []pipeline.Position, p pipeline.Position) int {
	for i := range in {
		if in[i] == p {
			return i
		}
	}
	return -1
}

// TestLongLines puts lines longer than max_record between others: they come as
// one record that the decoder refuses, and the offsets after them are right.
func TestLongLines(t *testing.T) {
	for _, length := range []int{9_999, 10_000, 10_001, 10_002, 70_000, 300_000} {
		for _, end := range []string{"\n", ""} {
			long := strings.Repeat("y", length)
			data := numbered(0, 40) + long + "\n" + numbered(40, 80) + long + end
			dir := t.TempDir()
			write(t, filepath.Join(dir, "f"), gz(data))
			src, err := open(t, dir, nil, func(c *Config) { c.Path, c.MaxRecord = "f", 10_000 })
			if err != nil {
				t.Fatal(err)
			}
			records, shortened := 0, 0
			for {
				c, err := src.Read(t.Context())
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				records += c.Records
				at := int(c.Offset)
				if !strings.HasPrefix(data[at:], string(c.Data)) {
					t.Fatalf("chunk at %d holds something else", at)
				}
				to, err := parsePlace(c.Span.To)
				if err != nil {
					t.Fatal(err)
				}
				if int(to.offset) != at+len(c.Data) {
					shortened++
					if len(c.Data) != 10_001 || to.offset != int64(min(len(data), at+length+1)) {
						t.Fatalf("%d bytes of a long line, to %s", len(c.Data), c.Span.To)
					}
				}
				c.Release()
			}
			want := 0
			if length > 10_001 {
				want = 2
			}
			if records != 82 || shortened < want-1 || shortened > 2 {
				t.Errorf("length %d: %d records, %d shortened", length, records, shortened)
			}
		}
	}
}

// TestCorrupt breaks compressed files: what is good is delivered, then an
// error says where, or the next file is read.
func TestCorrupt(t *testing.T) {
	good := numbered(0, 4000)
	cutGz, cutZst := gz(good), zst(t, good)
	flipped := append(zst(t, good), zst(t, good)...)
	flipped[len(cutZst)+len(cutZst)/2] ^= 0x40
	for name, data := range map[string][]byte{
		"gzip cut": cutGz[:len(cutGz)*2/3], "zstd cut": cutZst[:len(cutZst)-3],
		"zstd flipped": flipped, "gzip garbage": append(gz(good), "no member"...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "1"), data)
			write(t, filepath.Join(dir, "2"), []byte(numbered(0, 5)))
			src, err := open(t, dir, nil, func(c *Config) { c.Path = "*" })
			if err != nil {
				t.Fatal(err)
			}
			g, err := drain(t, src, "")
			var broken *corruptError
			if !errors.As(err, &broken) || !strings.HasPrefix(good+good, g.text["1"]) || len(g.text["1"]) == 0 && name != "zstd cut" {
				t.Fatalf("%d bytes, %v", len(g.text["1"]), err)
			}
			if !strings.Contains(err.Error(), filepath.Join(dir, "1")+" is broken") || broken.offset < int64(len(g.text["1"])) || broken.offset > int64(len(g.text["1"]))+4096 {
				t.Errorf("after %d bytes: %v", len(g.text["1"]), err)
			}
			if _, again := src.Read(t.Context()); !errors.As(again, &broken) {
				t.Errorf("a second Read gives %v", again)
			}
			src, err = open(t, dir, nil, func(c *Config) { c.Path, c.OnCorrupt = "*", "skip" })
			if err != nil {
				t.Fatal(err)
			}
			skipped, err := drain(t, src, "")
			if err != nil || skipped.text["2"] != numbered(0, 5) || !strings.HasPrefix(skipped.text["1"], g.text["1"]) {
				t.Errorf("skip: %v, %q", err, skipped.text["2"])
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), []byte(numbered(0, 5)))
	write(t, filepath.Join(dir, "c"), []byte(numbered(0, 5)))
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	at := func(p pipeline.Position) map[string]pipeline.Resume {
		return map[string]pipeline.Resume{partition: {From: p}}
	}
	for _, tc := range []struct {
		name, want string
		resume     map[string]pipeline.Resume
		set        func(*Config)
	}{
		{"no file", "no file: set path or paths", nil, func(c *Config) {}},
		{"missing", `there is no file "x"`, nil, func(c *Config) { c.Path = "x" }},
		{"no match", `no file matches "x*"`, nil, func(c *Config) { c.Path = "x*" }},
		{"bad pattern", "syntax error in pattern", nil, func(c *Config) { c.Path = "x[" }},
		{"directory", "d is a directory", nil, func(c *Config) { c.Path = "d" }},
		{"stdin and more", "cannot be read together", nil, func(c *Config) { c.Paths = []string{"-", "a"} }},
		{"stdin followed", "cannot be followed", nil, func(c *Config) { c.Path, c.Follow = "-", true }},
		{"format", `unknown format "x"`, nil, func(c *Config) { c.Path, c.Format = "a", "x" }},
		{"file gone", "byte 10 of b, which is not among the 2 files", at("10:b"), func(c *Config) { c.Path = "[ac]" }},
		{"position", `"ten" is no position`, at("ten"), func(c *Config) { c.Path = "a" }},
		{"shrunk", "was read to byte 5000 before, and now holds", at("5000:a"), func(c *Config) { c.Path = "a" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, err := open(t, dir, tc.resume, tc.set)
			if err == nil {
				_, err = src.Read(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want ... %s ...", err, tc.want)
			}
		})
	}
}

// TestUnreadable needs a user for whom permissions count.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), nil)
	if err := os.Chmod(filepath.Join(dir, "a"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, nil, func(c *Config) { c.Path = "a" }); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Error(err)
	}
}

// TestReadEnds cancels a waiting Read: nothing is lost by it.
func TestReadEnds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write(t, path, []byte("1\n"))
	src, err := open(t, dir, nil, func(c *Config) { c.Path, c.Follow = "a", true })
	if err != nil {
		t.Fatal(err)
	}
	if c, err := src.Read(t.Context()); err != nil || string(c.Data) != "1\n" {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := src.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	appendTo(t, path, "2\n") // writing it anew would truncate it first
	if c, err := src.Read(t.Context()); err != nil || string(c.Data) != "2\n" {
		t.Fatalf("%q, %v", c.Data, err)
	}
}
