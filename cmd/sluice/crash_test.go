package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// crashPosts is the number of posts of the crash test, kills how often it kills.
const (
	crashPosts = 200_000
	kills      = 30
)

// TestKilledAtRandomPoints kills the pipeline, the engine's process, or both,
// with SIGKILL at random points of a run and starts it again each time. The
// tables must end equal, row for row, to those of an undisturbed run, the
// rollups too.
func TestKilledAtRandomPoints(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	needEngine(t)
	calm, wild := newCrashDir(t), newCrashDir(t)
	if out, err := sluice(t, "run", calm.file, "--quiet", "--set", "source.generate.rate=0").CombinedOutput(); err != nil {
		t.Fatalf("the undisturbed run: %v\n%s", err, out)
	}

	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	killed := 0
	for killed < kills {
		if done := wild.runAndKill(t, rnd, killed); done {
			break
		}
		killed++
	}
	if killed < kills {
		t.Fatalf("the run was over after %d kills: it must last for %d", killed, kills)
	}
	// The pipeline goes on to its end by itself.
	if out, err := sluice(t, "run", wild.file, "--quiet", "--set", "source.generate.rate=0").CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	for table, want := range calm.tables(t) {
		got := wild.tables(t)[table]
		if got == want {
			continue
		}
		t.Errorf("table %s differs after %d kills: %s", table, killed, firstDifference(want, got))
	}
	wild.checkLedger(t, crashPosts)
}

type crashDir struct{ dir, file string }

// newCrashDir makes a folder with the example pipeline, in small epochs.
func newCrashDir(t *testing.T) crashDir {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy/examples")); err != nil {
		t.Fatal(err)
	}
	overlay := fmt.Sprintf(`include: [firehose.yaml]
pipeline: firehose
source: {generate: {rows: %d, rate: 12000, chunk_rows: 500}}
engine: {epoch: {rows: 4000, interval: 300ms}}
admin: {listen: "off"}
`, crashPosts)
	file := filepath.Join(dir, "crash.yaml")
	if err := os.WriteFile(file, []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	return crashDir{dir, file}
}

// runAndKill starts the pipeline and kills something after a while. It reports
// whether the run was over before.
func (d crashDir) runAndKill(t *testing.T, rnd *rand.Rand, n int) (done bool) {
	t.Helper()
	c := sluice(t, "run", d.file, "--quiet")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	engine := d.waitForEngine(t, exited)
	// From before the first insert to several epochs later.
	select {
	case err := <-exited:
		if err != nil {
			t.Fatalf("run %d: %v\n%s", n, err, log.String())
		}
		return true
	case <-time.After(time.Duration(rnd.Int63n(int64(700 * time.Millisecond)))):
	}
	what := n % 3
	if what != 0 && engine > 0 {
		_ = syscall.Kill(engine, syscall.SIGKILL)
	}
	if what == 1 {
		// The engine alone: the pipeline starts it again and goes on. Then it
		// is killed too, so that the next run begins with both.
		time.Sleep(time.Duration(rnd.Int63n(int64(1500 * time.Millisecond))))
	}
	_ = c.Process.Kill()
	<-exited
	return false
}

// waitForEngine returns the process id of the run's engine.
func (d crashDir) waitForEngine(t *testing.T, exited chan error) int {
	t.Helper()
	for range 3000 {
		if ep, err := embedded.Locate(filepath.Join(d.dir, "data", "clickhouse")); err == nil && ep.PID > 0 {
			return ep.PID
		}
		select {
		case err := <-exited:
			exited <- err
			return -1
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("the engine did not start")
	return 0
}

func (d crashDir) sql(t *testing.T, query string) string {
	t.Helper()
	c := sluice(t, "sql", "--path", filepath.Join(d.dir, "data", "clickhouse"), "--format", "tsv", query)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", query, err, errs.String())
	}
	return string(out)
}

// tables dumps every table whose rows the input decides, in a fixed order.
// Stamps of the store's own clock are left out; states are finalized.
func (d crashDir) tables(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	cols := d.sql(t, `SELECT table, arrayStringConcat(groupArray(
			if(startsWith(type, 'AggregateFunction'), 'finalizeAggregation(' || name || ')', name)), ', ')
		FROM (SELECT table, '\x60' || name || '\x60' AS name, type FROM system.columns WHERE database = 'sluice' AND default_expression NOT LIKE 'now64%' ORDER BY table, position)
		WHERE table IN (SELECT name FROM system.tables WHERE database = 'sluice' AND engine LIKE '%MergeTree' AND name NOT IN ('epochs', 'schema_migrations'))
		GROUP BY table ORDER BY table`)
	for _, line := range strings.Split(strings.TrimSpace(cols), "\n")[1:] {
		table, list, _ := strings.Cut(line, "\t")
		final := ""
		if table != "posts" && table != "rejected" {
			final = " FINAL"
		}
		out[table] = d.sql(t, "SELECT "+list+" FROM sluice."+table+final+" ORDER BY ALL")
	}
	if len(out) < 7 || strings.Count(out["posts"], "\n") != crashPosts+1 {
		t.Fatalf("%d tables, %d lines of posts: the comparison would show nothing", len(out), strings.Count(out["posts"], "\n"))
	}
	return out
}

// checkLedger checks that the epochs join without a gap or an overlap and add
// up to the posts.
func (d crashDir) checkLedger(t *testing.T, posts int64) {
	t.Helper()
	at, sum := "0", int64(0)
	rows := d.sql(t, "SELECT if(from_position = '', '0', from_position), to_position, posts + rejected FROM sluice.epochs FINAL ORDER BY toUInt64OrZero(from_position)")
	for _, line := range strings.Split(strings.TrimSpace(rows), "\n")[1:] {
		var from, to string
		var n int64
		if _, err := fmt.Sscan(line, &from, &to, &n); err != nil {
			t.Fatal(err)
		}
		if from != at {
			t.Errorf("ledger: an epoch starts at %s, the one before it ends at %s", from, at)
		}
		at, sum = to, sum+n
	}
	if sum != posts {
		t.Errorf("ledger: %d rows, want %d", sum, posts)
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("%d and %d lines; line %d:\nwant %s\n got %s", len(w), len(g), i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(w), len(g))
}
