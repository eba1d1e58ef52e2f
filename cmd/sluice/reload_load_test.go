package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loadedPipeline reads as fast as it can write. Its rule fires on every post,
// and so each post says with which rule, list file and config it was looked at.
const loadedPipeline = `pipeline: demo
source: { generate: { chunk_rows: 500 } }
steps:
  - normalize
  - tokenize
  - match: { lists: { terms: { path: lists/terms.txt }, more: { terms: [config0] } } }
  - rules: { files: ["rules/*.yaml"] }
sinks:
  - clickhouse: { embedded: { path: data/clickhouse } }
engine: { epoch: { rows: 4000, interval: 100ms } }
reload: { interval: 50ms }
admin: { listen: "127.0.0.1:0" }
`

const loadedRule = `- id: every
  version: 1
  owner: me
  mode: live
  severity: low
  when: match.terms >= 0 && match.more >= 0
`

// TestHundredReloadsUnderFullLoad changes a list, a rule and the config in turn,
// a hundred times, some by SIGHUP and some by themselves, with mistakes and one
// SIGKILL among them, while the process writes to ClickHouse all that it can
// take. No post is lost or doubled, and each was looked at with exactly one of
// the states of the files, in their order.
func TestHundredReloadsUnderFullLoad(t *testing.T) {
	needEngine(t)
	if testing.Short() {
		t.Skip("long")
	}
	const reloads = 100
	r := &reloadRig{t: t, dir: t.TempDir()}
	list, rule, conf := "zorvath\n", loadedRule, loadedPipeline
	r.put("p.yaml", conf)
	r.put("lists/terms.txt", list)
	r.put("rules/a.yaml", rule)
	r.start()
	defer func() { _ = r.cmd.Process.Kill() }()
	r.logs(1, "admin server listens")
	r.wait("first epoch", func() bool { return strings.Contains(r.ask("/metrics"), "sluice_epochs_total{") })
	hup := func() {
		if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	version, refused := 1, 0
	begun := time.Now()
	for n := 1; n <= reloads; n++ {
		if n%10 == 5 { // a mistake is refused, and changes nothing
			refused++
			r.put("rules/a.yaml", strings.Replace(rule, "match.more", "match.mre", 1))
			hup()
			r.logs(refused, `reload: refused; what ran goes on`)
			r.put("rules/a.yaml", rule)
		}
		switch n % 3 {
		case 0:
			list += fmt.Sprintf("term%d\n", n)
			r.put("lists/terms.txt", list)
		case 1:
			version++
			rule = strings.Replace(loadedRule, "version: 1", fmt.Sprintf("version: %d", version), 1)
			r.put("rules/a.yaml", rule)
		case 2:
			conf = strings.Replace(loadedPipeline, "config0", fmt.Sprintf("config%d", n), 1)
			r.put("p.yaml", conf)
		}
		if n%5 != 0 {
			hup()
		}
		r.logs(n, `reload: in force`)
		if n%2 == 0 { // else the next one may come before a post does
			before := r.decoded()
			r.wait("post after the reload", func() bool { return r.decoded() >= before+4000 })
		}
		if n == reloads/2 {
			if err := r.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = r.cmd.Wait()
			r.start()
			r.logs(2, "admin server listens")
		}
	}
	took := time.Since(begun)
	time.Sleep(500 * time.Millisecond) // the last state sees posts too
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, r.log.String())
	}
	if n := strings.Count(r.log.String(), "reload: in force"); n != reloads {
		t.Errorf("%d reloads were taken up, want %d", n, reloads)
	}
	checkLoaded(t, crashDir{dir: r.dir, file: filepath.Join(r.dir, "p.yaml")}, version, took)
}

// decoded returns how many posts have been read since the process's start.
func (r *reloadRig) decoded() (n float64) {
	r.t.Helper()
	m := regexp.MustCompile(`(?m)^sluice_step_rows_in_total\{step="normalize"\} (\S+)$`).FindStringSubmatch(r.ask("/metrics"))
	if m != nil {
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			r.t.Fatal(err)
		}
	}
	return n
}

// checkLoaded looks at what ClickHouse has.
func checkLoaded(t *testing.T, d crashDir, versions int, took time.Duration) {
	t.Helper()
	var posts, ids, last, rolled, rejected int64
	row := d.sql(t, `SELECT count(), uniqExact(source_offset), max(source_offset), (SELECT sum(posts) FROM sluice.posts_by_minute), (SELECT count() FROM sluice.rejected) FROM sluice.posts`)
	if _, err := fmt.Sscan(strings.Split(row, "\n")[1], &posts, &ids, &last, &rolled, &rejected); err != nil {
		t.Fatal(err)
	}
	if posts != ids || last+1 != posts || rolled != posts || rejected != 0 {
		t.Errorf("%d posts of %d numbers up to %d, %d in the rollup, %d rejected", posts, ids, last, rolled, rejected)
	}
	d.checkLedger(t, posts)
	// The states of the files, in the order in which posts saw them.
	states, next, before := 0, int64(0), 0
	rows := d.sql(t, `SELECT rule_version, min(source_offset), max(source_offset), count(), uniqExact(source_offset), arrayStringConcat(lists.version, '+') AS v
		FROM sluice.detections GROUP BY rule_version, v ORDER BY 2`)
	for _, line := range strings.Split(strings.TrimSpace(rows), "\n")[1:] {
		var version int
		var from, to, n, numbers int64
		var lists string
		if _, err := fmt.Sscan(line, &version, &from, &to, &n, &numbers, &lists); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if from != next || n != to-from+1 || numbers != n || version < before || !strings.Contains(lists, "+") {
			t.Fatalf("rule %d with lists %s saw %d posts (%d numbers) from %d to %d; those before it end at %d, of rule %d", version, lists, n, numbers, from, to, next, before)
		}
		states, next, before = states+1, to+1, version
	}
	if next != posts || before != versions {
		t.Errorf("posts up to %d have a detection, of %d; the last rule is %d of %d", next, posts, before, versions)
	}
	if states < 50 {
		t.Errorf("posts saw %d states of the files: the test shows little", states)
	}
	t.Logf("%d posts, %d states of the files, in %s", posts, states, took.Round(10*time.Millisecond))
}
