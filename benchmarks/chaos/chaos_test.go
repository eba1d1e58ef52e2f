package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// TestChaos is one short schedule of a seed from the clock. It takes about a
// minute.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	if _, err := chdb.Find(""); err != nil {
		t.Skipf("no ClickHouse engine: %v", err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "sluice")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/sluice").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var log strings.Builder
	e, err := newEnv(t.Context(), dir, bin, "../..", &log)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	t.Log("broker:", e.broker)

	res, err := e.one(t.Context(), short(), uint64(time.Now().UnixNano()), true)
	t.Log(log.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res)
	if !res.equal() {
		t.Fatal("not all is as in the undisturbed run; to repeat: go run ./benchmarks/chaos -seeds 1 -seed", res.run.seed)
	}
	if n := res.sum("process: ") + res.sum("store: "); n == 0 {
		t.Error("there was no fault")
	}
	testSees(t, res.run)
}

// testSees shows that the comparison would have seen rows that are lost,
// doubled, or of other contents.
func testSees(t *testing.T, r *run) {
	for _, c := range []struct {
		name, tamper, want string
	}{
		{"a doubled post", "INSERT INTO %s.posts SELECT * FROM %[1]s.posts WHERE id != '' LIMIT 1", "is there more than once"},
		{"a lost detection", "DELETE FROM %s.detections WHERE (source, source_offset) IN (SELECT source, source_offset FROM %[1]s.detections LIMIT 1)", "detections WHERE"},
		{"a changed post", "ALTER TABLE %s.posts UPDATE author_followers = NULL WHERE id = (SELECT max(id) FROM %[1]s.posts) SETTINGS mutations_sync = 1", `"author_followers":null`},
		{"a changed rejected row", "ALTER TABLE %s.rejected UPDATE raw = 'other' WHERE source_offset = (SELECT min(source_offset) FROM %[1]s.rejected) SETTINGS mutations_sync = 1", "rejected WHERE"},
		{"an overlap of epochs", "INSERT INTO %s.epochs SELECT * REPLACE (from_position || '0' AS from_position) FROM %[1]s.epochs LIMIT 1", "ledger: an epoch of"},
	} {
		before := &result{run: r}
		if err := r.compare(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if err := r.store.conn.Exec(t.Context(), strings.ReplaceAll(strings.ReplaceAll(c.tamper, "%[1]s", r.name), "%s", r.name)); err != nil {
			t.Fatal(err)
		}
		after := &result{run: r}
		if err := r.compare(t.Context(), after); err != nil {
			t.Fatal(err)
		}
		if len(after.faulty) <= len(before.faulty) || !strings.Contains(strings.Join(after.faulty, "\n"), c.want) {
			t.Errorf("%s: the comparison says\n%s\nwant %q in it, and more than before", c.name, strings.Join(after.faulty, "\n"), c.want)
		}
	}
}
