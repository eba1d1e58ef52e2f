package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// TestChaos is one short schedule of a seed from the clock, with less input than
// the command's. It takes about a minute.
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

	p := short()
	p.posts, p.faults = 24_000, 10*time.Second
	res, err := e.one(t.Context(), p, uint64(time.Now().UnixNano()), true)
	t.Log(log.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res)
	if !res.equal() {
		t.Fatal("not all is as in the undisturbed run; to repeat: go run ./benchmarks/chaos -seeds 1 -short-posts 24000 -short-time 10s -seed", res.run.seed)
	}
	if n := res.sum("process: ") + res.sum("store: "); n == 0 {
		t.Error("there was no fault")
	}
	testSees(t, res.run)
}

// testSees shows that the comparison would have seen rows that are lost,
// doubled, or of other contents: it does all of that to the tables, which are
// equal, and compares them again.
func testSees(t *testing.T, r *run) {
	tampered := []struct{ name, statement, want string }{
		{"a doubled post", "INSERT INTO %[1]s.posts SELECT * FROM %[1]s.posts LIMIT 1", "is there more than once"},
		{"a lost post", "DELETE FROM %[1]s.posts WHERE id = (SELECT min(id) FROM %[1]s.posts)", "an acknowledged message is missing"},
		{"a changed post", "ALTER TABLE %[1]s.posts UPDATE author_handle = 'tampered' WHERE id = (SELECT max(id) FROM %[1]s.posts) SETTINGS mutations_sync = 1", `"author_handle":"tampered"`},
		{"a lost detection", "DELETE FROM %[1]s.detections WHERE (source, source_offset) IN (SELECT source, source_offset FROM %[1]s.detections LIMIT 1)", "detections WHERE"},
		{"a changed rejected row", "ALTER TABLE %[1]s.rejected UPDATE raw = 'other' WHERE source_offset = (SELECT min(source_offset) FROM %[1]s.rejected) SETTINGS mutations_sync = 1", "rejected WHERE"},
		{"a rollup counted twice", "INSERT INTO %[1]s.posts_by_hour SELECT * FROM %[1]s.posts_by_hour LIMIT 1", "posts_by_hour: "},
		{"an overlap of epochs", "INSERT INTO %[1]s.epochs SELECT * REPLACE ('1' AS to_position) FROM %[1]s.epochs WHERE from_position IN ('', '0') LIMIT 1", "ledger: an epoch of"},
	}
	for _, c := range tampered {
		if err := r.store.conn.Exec(t.Context(), fmt.Sprintf(c.statement, r.name)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	res := &result{run: r}
	if err := r.compare(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(res.faulty, "\n")
	for _, c := range tampered {
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: the comparison does not say %q:\n%s", c.name, c.want, said)
		}
	}
}
