package checkpoint_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline/checkpoint"
)

// TestAdopt has one store take over a manifest and its files from another.
func TestAdopt(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	defer from.Close()
	defer to.Close()
	contents := map[string][]byte{"a.csv": []byte("terms"), "b.csv": []byte("others"), "copy.csv": []byte("terms")}
	m := checkpoint.Manifest{Program: "1", Config: []byte(`{}`), Files: map[string]checkpoint.Hash{}}
	for path, data := range contents {
		m.Files[path] = checkpoint.HashOf(data)
	}
	h, err := from.PutManifest(m, func(path string) []byte { return contents[path] })
	must(t, err)
	objects, err := from.Objects(h)
	must(t, err)
	if len(objects) != 3 || objects[2] != h { // equal contents once, the manifest last
		t.Fatalf("objects %v", objects)
	}

	missing := errors.New("not to be had")
	if err := to.Adopt(h, func(o checkpoint.Hash) ([]byte, error) {
		if o == m.Files["b.csv"] {
			return nil, missing
		}
		return from.Object(o)
	}); !errors.Is(err, missing) {
		t.Errorf("a file is missing: %v", err)
	}
	if err := to.Adopt(h, func(checkpoint.Hash) ([]byte, error) { return []byte("something else"), nil }); err == nil {
		t.Error("contents that are not those of the hash were taken")
	}
	must(t, to.Adopt(h, from.Object))
	got, err := to.Manifest(h)
	must(t, err)
	if d := cmp.Diff(m, got); d != "" {
		t.Error(d)
	}
	must(t, to.Adopt(h, func(o checkpoint.Hash) ([]byte, error) { return nil, fmt.Errorf("%s is there already", o) }))
	to.Release(h)
	if _, err := to.Object(m.Files["a.csv"]); err != nil {
		t.Errorf("released once of twice: %v", err)
	}
	to.Release(h)
	if _, err := to.Object(m.Files["a.csv"]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("released as often as adopted: %v", err)
	}
}

// TestRemember keeps the last snapshot of a partition whose position others know.
func TestRemember(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var files []string
	for i := range 3 {
		file, err := s.WriteSnapshot(uint64(i+1), func(w io.Writer) error { _, err := fmt.Fprint(w, "state", i); return err })
		must(t, err)
		must(t, s.Remember("a", checkpoint.Snapshot{Position: "10", File: file, Manifest: none}))
		files = append(files, file)
	}
	s.Close()
	s = open(t, dir)
	defer s.Close()
	p, ok := s.Remembered("a")
	if !ok || !p.Shared || p.Committed != "10" || p.Snapshot.File != files[2] {
		t.Errorf("%v %+v", ok, p)
	}
	if data, err := s.ReadSnapshot(files[2]); err != nil || string(data) != "state2" {
		t.Errorf("%q, %v", data, err)
	}
	for _, f := range files[:2] {
		if _, err := s.ReadSnapshot(f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an older snapshot is still there: %v", err)
		}
	}
	if _, ok := s.Remembered("b"); ok {
		t.Error("a partition is remembered that never was")
	}
}
