package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
)

func open(t *testing.T, dir string) *checkpoint.Store {
	t.Helper()
	s, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "p", Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func span(from, to string) pipeline.Span {
	return pipeline.Span{Partition: "a", From: pipeline.Position(from), To: pipeline.Position(to)}
}

// none is the manifest of epochs that no test replays.
var none = checkpoint.HashOf(nil)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStateSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	m := checkpoint.Manifest{Program: "1", Config: []byte(`{"a":1}`), Files: map[string]checkpoint.Hash{"x.csv": checkpoint.HashOf([]byte("terms"))}}
	h, err := s.PutManifest(m, func(string) []byte { return []byte("terms") })
	must(t, err)
	must(t, s.Intend(checkpoint.Intent{Span: span("0", "10"), Manifest: h}))
	must(t, s.Intend(checkpoint.Intent{Span: span("10", "20"), Manifest: h}))
	must(t, s.Intend(checkpoint.Intent{Span: span("10", "20"), Manifest: h})) // a replay says it again
	file, err := s.WriteSnapshot(1, func(w io.Writer) error { _, err := io.WriteString(w, "state"); return err })
	must(t, err)
	must(t, s.Commit(span("0", "10"), 10, &checkpoint.Snapshot{Position: "10", File: file, Manifest: h}, pipeline.Replay{}))
	want := s.Partitions()
	s.Close()

	s = open(t, dir)
	defer s.Close()
	if d := cmp.Diff(want, s.Partitions()); d != "" {
		t.Error(d)
	}
	p := s.Partitions()["a"]
	if p.Committed != "10" || p.Rows != 10 || len(p.Pending) != 1 || p.Pending[0].Span != span("10", "20") {
		t.Errorf("got %+v", p)
	}
	got, err := s.Manifest(h)
	must(t, err)
	if d := cmp.Diff(m, got); d != "" {
		t.Error(d)
	}
	data, err := s.Object(m.Files["x.csv"])
	if err != nil || string(data) != "terms" {
		t.Errorf("object: %q, %v", data, err)
	}
	state, err := s.ReadSnapshot(file)
	if err != nil || string(state) != "state" {
		t.Errorf("snapshot: %q, %v", state, err)
	}
}

// TestTornTail cuts the journal at every byte of its last record: the record
// is dropped, all before it stays.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Intend(checkpoint.Intent{Span: span("0", "10"), Manifest: none}))
	before, err := os.ReadFile(filepath.Join(dir, "journal"))
	must(t, err)
	must(t, s.Commit(span("0", "10"), 10, nil, pipeline.Replay{}))
	after, err := os.ReadFile(filepath.Join(dir, "journal"))
	must(t, err)
	s.Close()
	for n := len(before); n <= len(after); n++ {
		must(t, os.WriteFile(filepath.Join(dir, "journal"), after[:n], 0o600))
		s := open(t, dir)
		p := s.Partitions()["a"]
		s.Close()
		want := pipeline.Position("0")
		if n == len(after) {
			want = "10"
		}
		if p.Committed != want {
			t.Fatalf("%d of %d bytes: committed %q, want %q", n, len(after), p.Committed, want)
		}
	}
}

func TestDamageIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Intend(checkpoint.Intent{Span: span("0", "10"), Manifest: none}))
	s.Close()
	path := filepath.Join(dir, "journal")
	data, err := os.ReadFile(path)
	must(t, err)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x20
		must(t, os.WriteFile(path, bad, 0o600))
		s, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "p"})
		switch {
		case err == nil && bytes.HasSuffix(bad, []byte("\n")):
			s.Close()
			// A flipped case in the checksum's hex digits reads the same.
			if c := data[i]; c < 'a' || c > 'f' {
				t.Errorf("byte %d (%q): the damage was not noticed", i, c)
			}
		case err == nil:
			s.Close() // the last line's end is gone: torn
		case !strings.Contains(err.Error(), "journal:") || !strings.Contains(err.Error(), "estore the folder from a backup"):
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, c := range []struct {
		name string
		got  error
		want string
	}{
		{"gap", func() error {
			must(t, s.Intend(checkpoint.Intent{Span: span("0", "10"), Manifest: none}))
			return s.Intend(checkpoint.Intent{Span: span("11", "20"), Manifest: none})
		}(), `starts at "11", but the one before it ends at "10"`},
		{"commit without intent", s.Commit(span("5", "10"), 1, nil, pipeline.Replay{}), "has no intent"},
		{"second process", func() error {
			_, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "p"})
			return err
		}(), fmt.Sprintf("in use by another process (pid %d)", os.Getpid())},
		{"file in the way", func() error {
			f := filepath.Join(t.TempDir(), "f")
			must(t, os.WriteFile(f, nil, 0o600))
			_, err := checkpoint.Open(f, checkpoint.Options{Pipeline: "p"})
			return err
		}(), "choose another folder"},
	} {
		if c.got == nil || !strings.Contains(c.got.Error(), c.want) {
			t.Errorf("%s: got %v, want it to contain %q", c.name, c.got, c.want)
		}
	}
	s.Close()

	_, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "q"})
	if err == nil || !strings.Contains(err.Error(), `belongs to pipeline "p", not to "q"`) {
		t.Errorf("other pipeline: %v", err)
	}
	newer := t.TempDir()
	// CRC-32C of the JSON, as a newer version would write it.
	must(t, os.WriteFile(filepath.Join(newer, "journal"), checkpoint.Line(`{"head":{"version":2,"pipeline":"p"}}`), 0o600))
	_, err = checkpoint.Open(newer, checkpoint.Options{Pipeline: "p"})
	if err == nil || !strings.Contains(err.Error(), "newer version of sluice") {
		t.Errorf("newer version: %v", err)
	}
}

// TestOldSnapshotsGo commits several snapshots: only the last stays.
func TestOldSnapshotsGo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	for i := range 4 {
		file, err := s.WriteSnapshot(uint64(i), func(w io.Writer) error { return nil })
		must(t, err)
		sp := span(fmt.Sprint(i), fmt.Sprint(i+1))
		must(t, s.Intend(checkpoint.Intent{Span: sp, Manifest: none}))
		must(t, s.Commit(sp, 1, &checkpoint.Snapshot{Position: sp.To, File: file, Manifest: none}, pipeline.Replay{}))
	}
	left, err := os.ReadDir(filepath.Join(dir, "state"))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("%d snapshots are left, want the last one only", len(left))
	}
}

// TestSweep checks that a restart removes what no epoch needs, and keeps what
// one needs.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put := func(file string) checkpoint.Hash {
		h, err := s.PutManifest(checkpoint.Manifest{Config: []byte(`"` + file + `"`), Files: map[string]checkpoint.Hash{"f": checkpoint.HashOf([]byte(file))}}, func(string) []byte { return []byte(file) })
		must(t, err)
		return h
	}
	done, pending := put("done"), put("pending")
	must(t, s.Intend(checkpoint.Intent{Span: span("0", "1"), Manifest: done}))
	must(t, s.Commit(span("0", "1"), 1, nil, pipeline.Replay{}))
	must(t, s.Intend(checkpoint.Intent{Span: span("1", "2"), Manifest: pending}))
	orphan, err := s.WriteSnapshot(9, func(io.Writer) error { return nil })
	must(t, err)
	s.Close()
	s = open(t, dir)
	defer s.Close()
	if _, err := s.Manifest(done); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the manifest of a durable epoch was kept: %v", err)
	}
	if _, err := s.ReadSnapshot(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a snapshot that was never committed was kept: %v", err)
	}
	m, err := s.Manifest(pending)
	must(t, err)
	if _, err := s.Object(m.Files["f"]); err != nil {
		t.Errorf("a file that a pending epoch needs: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "objects", string(m.Files["f"])), []byte("changed"), 0o600))
	if _, err := s.Object(m.Files["f"]); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a changed object: %v", err)
	}
}

// TestCompaction writes enough to make the journal be rewritten several times.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	s, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "p"})
	must(t, err)
	long := strings.Repeat("x", 2000)
	for i := range 1000 {
		sp := span(fmt.Sprint(long, i), fmt.Sprint(long, i+1))
		must(t, s.Intend(checkpoint.Intent{Span: sp, Manifest: none}))
		must(t, s.Commit(sp, 1, nil, pipeline.Replay{}))
	}
	want := s.Partitions()
	s.Close()
	info, err := os.Stat(filepath.Join(dir, "journal"))
	must(t, err)
	if info.Size() > 2<<20 {
		t.Errorf("the journal has %d bytes after 8 MB of records", info.Size())
	}
	s = open(t, dir)
	defer s.Close()
	if d := cmp.Diff(want, s.Partitions()); d != "" {
		t.Error(d)
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Close()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	// Every append goes to a device that is always full.
	checkpoint.BreakJournal(s, "/dev/full")
	err := s.Intend(checkpoint.Intent{Span: span("0", "1")})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("got %v", err)
	}
	if again := s.Intend(checkpoint.Intent{Span: span("1", "2")}); !errors.Is(again, err) {
		t.Errorf("after a failed append: %v, want the same error until the folder is opened again", again)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(checkpoint.Line(`{"head":{"version":1,"pipeline":"p"}}`))
	f.Add(append(checkpoint.Line(`{"head":{"version":1,"pipeline":"p"}}`), checkpoint.Line(`{"intent":{"span":{"Partition":"a","From":"","To":"1"},"manifest":""}}`)...))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "journal"), data, 0o600))
		s, err := checkpoint.Open(dir, checkpoint.Options{Pipeline: "p"})
		if err != nil {
			return
		}
		defer s.Close()
		for _, p := range s.Partitions() {
			at := p.Committed
			for _, in := range p.Pending {
				if in.Span.From != at {
					t.Fatalf("pending epochs with a gap: %+v", p)
				}
				at = in.Span.To
			}
		}
	})
}

// TestRelease: what no generation of the graph and no unfinished epoch needs
// is removed while running, and what one needs stays.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	put := func(config string, files ...string) checkpoint.Hash {
		m := checkpoint.Manifest{Config: []byte(`"` + config + `"`), Files: map[string]checkpoint.Hash{}}
		for _, f := range files {
			m.Files[f] = checkpoint.HashOf([]byte(f))
		}
		h, err := s.PutManifest(m, func(path string) []byte { return []byte(path) })
		must(t, err)
		if same, err := m.Hash(); err != nil || same != h {
			t.Errorf("Hash gives %s, %v; PutManifest %s", same, err, h)
		}
		return h
	}
	there := func(h checkpoint.Hash) bool {
		_, err := os.Stat(filepath.Join(dir, "objects", string(h)))
		return err == nil
	}
	a, b := put("a", "shared", "old"), put("b", "shared", "new")
	put("b", "shared", "new") // a reload that came back to what it was
	s.Release(a)
	if there(a) || there(checkpoint.HashOf([]byte("old"))) {
		t.Error("objects of a released manifest are left")
	}
	s.Release(a) // nothing is held any more
	s.Release(b)
	if !there(b) || !there(checkpoint.HashOf([]byte("shared"))) {
		t.Error("objects are gone that a second PutManifest holds")
	}
	must(t, s.Intend(checkpoint.Intent{Span: span("0", "1"), Manifest: b}))
	s.Release(b)
	if !there(b) || !there(checkpoint.HashOf([]byte("new"))) {
		t.Error("objects are gone that an unfinished epoch needs")
	}
	must(t, s.Commit(span("0", "1"), 1, nil, pipeline.Replay{}))
	put("b", "shared", "new")
	s.Release(b)
	if left, err := os.ReadDir(filepath.Join(dir, "objects")); err != nil || len(left) > 0 {
		t.Errorf("%d objects are left, %v", len(left), err)
	}
}

// TestPutSnapshot stores state between two epochs.
func TestPutSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	write := func(text string) string {
		file, err := s.WriteSnapshot(uint64(len(text)), func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
		must(t, err)
		return file
	}
	sp := span("0", "1")
	must(t, s.Intend(checkpoint.Intent{Span: sp, Manifest: none}))
	first := checkpoint.Snapshot{Position: "1", File: write("one"), Manifest: none, State: "s"}
	if err := s.PutSnapshot("a", first); err == nil {
		t.Error("a snapshot beside an unfinished epoch was taken")
	}
	must(t, s.Commit(sp, 1, nil, pipeline.Replay{}))
	must(t, s.PutSnapshot("a", first))
	second := first
	second.File = write("second")
	must(t, s.PutSnapshot("a", second))
	if _, err := s.ReadSnapshot(first.File); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the snapshot before: %v", err)
	}
	s.Close()
	s = open(t, dir)
	defer s.Close()
	p := s.Partitions()["a"]
	if p.Snapshot == nil || !cmp.Equal(*p.Snapshot, second) || p.Committed != "1" || p.Rows != 1 {
		t.Errorf("after reopening: %+v", p)
	}
	if data, err := s.ReadSnapshot(second.File); err != nil || string(data) != "second" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestReplay keeps from where state can be built, and goes on from a journal of an
// earlier version, which has nothing of it, or of one that ran in between.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	old := `{"head":{"version":1,"pipeline":"p"}}
{"state":{"partition":"a","is":{"committed":"10","rows":10,"snapshot":{"position":"10","file":"1","manifest":"m"}}}}
{"intent":{"span":{"Partition":"a","From":"10","To":"20"},"manifest":"` + string(none) + `"}}
{"commit":{"span":{"Partition":"a","From":"10","To":"20"},"rows":10}}`
	var journal []byte
	for line := range strings.SplitSeq(old, "\n") {
		journal = append(journal, checkpoint.Line(line)...)
	}
	path := filepath.Join(dir, "journal")
	must(t, os.WriteFile(path, journal, 0o600))
	s := open(t, dir)
	if p := s.Partitions()["a"]; p.Committed != "20" || p.Replay != (pipeline.Replay{}) || len(p.Snapshot.Places) > 0 {
		t.Fatalf("of an earlier version: %+v", p)
	}
	want := pipeline.Replay{From: "12", Latest: -5, Reach: 60_000}
	places := []checkpoint.Place{{At: "14", Latest: 7}, {At: "30", Latest: 9}}
	must(t, s.Intend(checkpoint.Intent{Span: span("20", "30"), Manifest: none}))
	must(t, s.Commit(span("20", "30"), 10, &checkpoint.Snapshot{Position: "30", File: "2", Manifest: none, Places: places}, want))
	for range 2 { // from the journal's lines, then from its whole
		s.Close()
		s = open(t, dir)
		p := s.Partitions()["a"]
		if p.Replay != want {
			t.Errorf("replay %+v, want %+v", p.Replay, want)
		}
		if d := cmp.Diff(places, p.Snapshot.Places); d != "" {
			t.Error(d)
		}
	}
	s.Close()
	// An earlier version goes on: what it did not write is not true any more.
	journal, err := os.ReadFile(path)
	must(t, err)
	for _, line := range []string{
		`{"intent":{"span":{"Partition":"a","From":"30","To":"40"},"manifest":"` + string(none) + `"}}`,
		`{"commit":{"span":{"Partition":"a","From":"30","To":"40"},"rows":10}}`,
	} {
		journal = append(journal, checkpoint.Line(line)...)
	}
	must(t, os.WriteFile(path, journal, 0o600))
	s = open(t, dir)
	defer s.Close()
	if p := s.Partitions()["a"]; p.Committed != "40" || p.Replay != (pipeline.Replay{}) {
		t.Errorf("after an earlier version: %+v", p)
	}
}
