package graph_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline/graph"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWatch changes files in all the ways that editors, tools and Kubernetes do.
func TestWatch(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"written anew with the same", func(t *testing.T, dir string) { write(t, dir+"/a.txt", "one\n") }, nil},
		{"touched", func(t *testing.T, dir string) { must(t, os.Chtimes(dir+"/a.txt", time.Now(), time.Now())) }, nil},
		{"in place", func(t *testing.T, dir string) { write(t, dir+"/a.txt", "one\ntwo\n") }, []string{"a.txt"}},
		{"in place, same size", func(t *testing.T, dir string) { write(t, dir+"/a.txt", "two\n") }, []string{"a.txt"}},
		{"same size and time, just after it was read", func(t *testing.T, dir string) {
			write(t, dir+"/new.txt", "NEW\n")
			must(t, os.Chtimes(dir+"/new.txt", now(t, dir), now(t, dir)))
		}, []string{"new.txt"}},
		{"by a rename", func(t *testing.T, dir string) {
			write(t, dir+"/tmp", "two\n")
			must(t, os.Chtimes(dir+"/tmp", long, long)) // size and time are those of the old one
			must(t, os.Rename(dir+"/tmp", dir+"/a.txt"))
		}, []string{"a.txt"}},
		{"removed", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/a.txt")) }, []string{"a.txt"}},
		{"a file that was missing comes", func(t *testing.T, dir string) { write(t, dir+"/none.txt", "") }, []string{"none.txt"}},
		{"a match more", func(t *testing.T, dir string) { write(t, dir+"/rules/z.yaml", "") }, []string{"rules/*.yaml"}},
		{"a ConfigMap", func(t *testing.T, dir string) {
			write(t, dir+"/map/..2/list.txt", "new\n")
			must(t, os.Chtimes(dir+"/map/..2/list.txt", long, long))
			must(t, os.Symlink("..2", dir+"/map/..tmp"))
			must(t, os.Rename(dir+"/map/..tmp", dir+"/map/..data"))
		}, []string{"map/list.txt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/a.txt", "one\n")
			write(t, dir+"/rules/b.yaml", "b")
			write(t, dir+"/map/..1/list.txt", "old\n")
			for _, f := range []string{"/a.txt", "/rules/b.yaml", "/map/..1/list.txt"} {
				must(t, os.Chtimes(dir+f, long, long))
			}
			must(t, os.Symlink("..1", dir+"/map/..data"))
			must(t, os.Symlink("..data/list.txt", dir+"/map/list.txt"))
			write(t, dir+"/new.txt", "new\n")

			w := graph.NewWatch()
			files := graph.NewWatchedFiles(dir, w)
			for _, name := range []string{"a.txt", "none.txt", "map/list.txt", "new.txt"} {
				if _, err := files.ReadFile(name); err != nil && name != "none.txt" {
					t.Fatal(err)
				}
			}
			if _, err := files.Glob("rules/*.yaml"); err != nil {
				t.Fatal(err)
			}
			if got := w.Changed(); len(got.Paths) > 0 {
				t.Fatalf("changed before anything was: %q", got.Paths)
			}
			c.change(t, dir)
			got := w.Changed()
			for i, p := range got.Paths {
				got.Paths[i], _ = filepath.Rel(dir, p)
			}
			if !slices.Equal(got.Paths, c.want) {
				t.Errorf("changed: %q, want %q", got.Paths, c.want)
			}
			if again := w.Changed(); again.Mark != got.Mark || len(again.Paths) != len(c.want) {
				t.Errorf("a second look: %+v, after %+v", again, got)
			}
		})
	}
}

// now returns the time at which new.txt was written.
func now(t *testing.T, dir string) time.Time {
	t.Helper()
	info, err := os.Stat(dir + "/new.txt")
	must(t, err)
	return info.ModTime()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWatchReadsAgainOnlyWhatLooksDifferent counts how often files are read.
func TestWatchReadsAgainOnlyWhatLooksDifferent(t *testing.T) {
	dir := t.TempDir()
	old, fresh := dir+"/old", dir+"/fresh"
	write(t, old, "x")
	write(t, fresh, "x")
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(old, long, long))
	reads := map[string]int{}
	read := func(path string) ([]byte, error) { reads[path]++; return os.ReadFile(path) }
	w := graph.NewWatch()
	for _, p := range []string{old, fresh} {
		if _, err := w.ReadFile(p, read); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		w.Changed()
	}
	if reads[old] != 1 || reads[fresh] != 4 {
		t.Errorf("%v reads; want one of the old file, and one a look of that which may change unseen", reads)
	}
}

// TestWatchKeeps goes on to watch what an attempt that failed has not read.
func TestWatchKeeps(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/config", "good")
	write(t, dir+"/list", "one")
	first := graph.NewWatch()
	for _, name := range []string{"/config", "/list"} {
		if _, err := first.ReadFile(dir+name, os.ReadFile); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir+"/config", "bad!")
	second := graph.NewWatch()
	_, err := second.ReadFile(dir+"/config", func(string) ([]byte, error) { return nil, errors.New("unreadable") })
	if err == nil {
		t.Fatal("no error")
	}
	second.Keep(first)
	if got := second.Changed().Paths; len(got) > 0 {
		t.Errorf("changed: %q", got)
	}
	write(t, dir+"/list", "two")
	if got := second.Changed().Paths; !slices.Equal(got, []string{dir + "/list"}) {
		t.Errorf("changed: %q, want the list", got)
	}
}
