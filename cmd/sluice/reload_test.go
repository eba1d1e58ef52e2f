package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const reloadPipeline = `pipeline: demo
source: { file: { path: in.jsonl, follow: true, poll_interval: 10ms } }
steps:
  - normalize
  - tokenize
  - match: { lists: { terms: { path: lists/terms.txt } } }
  - rules: { files: ["rules/*.yaml"] }
sinks:
  - file: { from: [posts, detections, rejected], path: "out/{stream}.jsonl" }
engine: { epoch: { interval: 20ms } }
reload: { interval: 50ms }
admin: { listen: "127.0.0.1:0" }
`

const reloadRule = `- id: found
  version: 1
  owner: me
  mode: live
  severity: low
  when: match.terms > 0
`

// reloadRig is a followed file that posts are appended to all the time, and the
// process that reads it.
type reloadRig struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	log  lockedBuffer
	stop chan struct{}
	sent chan int // the number of posts, at the end
}

// lockedBuffer is a buffer that is written to by another goroutine.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// put writes a file whole, by a rename.
func (r *reloadRig) put(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reloadRig) start() {
	r.t.Helper()
	r.cmd = sluice(r.t, "run", filepath.Join(r.dir, "p.yaml"), "--quiet")
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

// feed appends posts until stop is closed. Every other one has the word
// zorvath, the rest have quellen.
func (r *reloadRig) feed() {
	f, err := os.OpenFile(filepath.Join(r.dir, "in.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		r.t.Error(err)
	}
	defer f.Close()
	for n := 0; ; n++ {
		select {
		case <-r.stop:
			r.sent <- n
			return
		case <-time.After(500 * time.Microsecond):
		}
		fmt.Fprintf(f, `{"id":"p%d","created_at":"2026-01-01T00:00:%02dZ","author":{"id":"a%d"},"text":"all hail %s"}`+"\n",
			n, n%60, n%7, []string{"zorvath", "quellen"}[n%2])
	}
}

// wait waits until f is true.
func (r *reloadRig) wait(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	r.t.Fatalf("no %s within a minute; the log is:\n%s", what, r.log.String())
}

// logs waits for the n-th line that matches a pattern.
func (r *reloadRig) logs(n int, pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	r.wait(pattern, func() bool { return len(re.FindAllString(r.log.String(), -1)) >= n })
}

// found is a detection as the sink has it.
type found struct {
	Post    string   `json:"post_id"`
	Version int      `json:"rule_version"`
	Lists   []string `json:"lists.version"`
	Offset  int64    `json:"source_offset"`
}

func (r *reloadRig) lines(name string) [][]byte {
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return lines[:len(lines)-1] // what is behind the last newline is being written
}

func (r *reloadRig) detections() (out []found) {
	for _, line := range r.lines("out/detections.jsonl") {
		var d found
		if err := json.Unmarshal(line, &d); err != nil {
			r.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, d)
	}
	return out
}

// seen waits for a detection of the given rule version with a list version
// that is not among old, and returns that.
func (r *reloadRig) seen(rule int, old ...string) (list string) {
	r.t.Helper()
	r.wait(fmt.Sprintf("detection of rule version %d and a list other than %q", rule, old), func() bool {
		for _, d := range r.detections() {
			if d.Version == rule && !slices.Contains(old, d.Lists[0]) {
				list = d.Lists[0]
				return true
			}
		}
		return false
	})
	return list
}

// TestReloadWhileRunning changes a list, a rule and the config of a process
// that runs, with mistakes and a SIGKILL among them: no row is lost or doubled,
// and each detection has the versions that were in force at its post.
func TestReloadWhileRunning(t *testing.T) {
	r := &reloadRig{t: t, dir: t.TempDir(), stop: make(chan struct{}), sent: make(chan int, 1)}
	r.put("p.yaml", reloadPipeline)
	r.put("lists/terms.txt", "zorvath\n")
	r.put("rules/a.yaml", reloadRule)
	go r.feed()
	r.start()
	defer func() { _ = r.cmd.Process.Kill() }()
	first := r.seen(1)

	// A list gets a term. What was written stays as it is.
	before := r.lines("out/detections.jsonl")
	r.put("lists/terms.txt", "zorvath\nquellen\n")
	r.logs(1, `reload: list changed.* list=terms old=`+first+` new=\w+ terms_added=1 terms_removed=0`)
	second := r.seen(1, first)
	if now := r.lines("out/detections.jsonl"); !bytes.Equal(bytes.Join(before, nil), bytes.Join(now[:len(before)], nil)) {
		t.Error("detections from before the reload have changed")
	}

	// A rule gets a mistake: it is said once, as validate says it, and what ran
	// goes on.
	r.put("rules/a.yaml", strings.Replace(reloadRule, "match.terms", "match.trms", 1))
	r.logs(1, `reload: refused" error=".*rules/a.yaml:6:\d+: .*did you mean \\"match.terms\\"`)
	rows := len(r.detections())
	r.wait("detection after a reload that was refused", func() bool { return len(r.detections()) > rows+300 })
	if n := strings.Count(r.log.String(), "match.trms"); n != 1 {
		t.Errorf("the mistake was told %d times", n)
	}

	// It is put right, and SIGHUP does not wait for the next look.
	r.put("rules/a.yaml", strings.Replace(reloadRule, "version: 1", "version: 2", 1))
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.logs(1, `reload: rule changed" rule=found old=1 new=2`)
	r.seen(2)
	r.metrics(map[string]string{
		`sluice_reload_total{result="applied"}`: "2", `sluice_reload_total{result="refused"}`: "1", "sluice_reload_last_successful": "1",
	})
	r.reloads("applied, rule changed <nil> found", `refused, did you mean "match.terms"`, "applied, list changed terms <nil>")

	// The config gets another list; then the source, which needs a restart.
	more := strings.Replace(reloadPipeline, "lists: {", "lists: { others: { terms: [nothing] },", 1)
	r.put("p.yaml", more)
	r.logs(1, `reload: list added" step=match list=others`)
	r.put("p.yaml", strings.Replace(more, "poll_interval: 10ms", "poll_interval: 11ms", 1))
	r.logs(1, `reload: refused" error=".*p.yaml:2:11: source.file: the source has changed; that takes effect when the pipeline is stopped and started again`)
	r.put("p.yaml", more)
	r.logs(1, `reload: nothing has changed`)

	// A SIGKILL right after a reload; meanwhile the list changes again.
	r.put("lists/terms.txt", "quellen\n")
	r.logs(2, "reload: list changed")
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	r.put("lists/terms.txt", "zorvath\nquellen\nsnow\n")
	r.start()
	// The list of before the kill has one word, the last one both again.
	r.wait("detection of the last list", func() bool {
		byList := map[string][2]bool{}
		for _, d := range r.detections() {
			words := byList[d.Lists[0]]
			words[d.number(t)%2] = true
			byList[d.Lists[0]] = words
		}
		delete(byList, first)
		delete(byList, second)
		for _, words := range byList {
			if words[0] && words[1] {
				return true
			}
		}
		return false
	})
	close(r.stop)
	sent := <-r.sent
	r.wait("last post", func() bool { return len(r.lines("out/posts.jsonl")) == sent })
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, r.log.String())
	}
	r.check(sent, first)
}

// metrics compares values that the process shows.
func (r *reloadRig) metrics(want map[string]string) {
	r.t.Helper()
	text := r.ask("/metrics")
	for name, value := range want {
		if !strings.Contains(text, "\n"+name+" "+value+"\n") {
			r.t.Errorf("no %s %s among the metrics:\n%s", name, value, text)
		}
	}
}

// ask reads a page of the admin port.
func (r *reloadRig) ask(path string) string {
	r.t.Helper()
	all := regexp.MustCompile(`admin server listens" address=(\S+)`).FindAllStringSubmatch(r.log.String(), -1)
	if all == nil {
		r.t.Fatalf("no admin server in the log:\n%s", r.log.String())
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+all[len(all)-1][1]+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// reloads compares what the process tells of its reloads, the newest first:
// results with what changed or what was wrong.
func (r *reloadRig) reloads(want ...string) {
	r.t.Helper()
	var page struct {
		Reloads []struct {
			Result  string
			Changes []map[string]any
			Errors  []string
		}
	}
	if err := json.Unmarshal([]byte(r.ask("/reloads")), &page); err != nil {
		r.t.Fatal(err)
	}
	var got []string
	for _, a := range page.Reloads {
		var line strings.Builder
		line.WriteString(a.Result)
		for _, c := range a.Changes {
			fmt.Fprintf(&line, ", %s %v %v", c["what"], c["list"], c["rule"])
		}
		for _, e := range a.Errors {
			line.WriteString(", " + regexp.MustCompile(`did you mean "[^"]*"`).FindString(e))
		}
		got = append(got, line.String())
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("reloads are told as %q, want %q", got, want)
	}
}

// check holds all rows against what was sent.
func (r *reloadRig) check(sent int, first string) {
	r.t.Helper()
	posts := map[string]bool{}
	rows := r.lines("out/posts.jsonl")
	for _, line := range rows {
		var p struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(line, &p); err != nil {
			r.t.Fatal(err)
		}
		posts[p.ID] = true
	}
	if len(rows) != sent || len(posts) != sent || len(r.lines("out/rejected.jsonl")) > 0 {
		r.t.Errorf("%d posts of %d ids for %d that were sent, %d rejected", len(rows), len(posts), sent, len(r.lines("out/rejected.jsonl")))
	}
	var order []string // versions of the list, as they followed one another
	byPost, before := map[int]found{}, found{Offset: -1}
	for _, d := range r.detections() {
		if d.Offset <= before.Offset || d.Version < before.Version {
			r.t.Fatalf("%+v follows on %+v", d, before)
		}
		if v := d.Lists[0]; len(order) == 0 || order[len(order)-1] != v {
			if slices.Contains(order, v) {
				r.t.Fatalf("%+v has a list that others came after: %q", d, order)
			}
			order = append(order, v)
		}
		byPost[d.number(r.t)], before = d, d
	}
	// What each list finds, as remainders of a post's number by 2. The third
	// one may have been killed before its first epoch was written.
	finds := [][]int{{0}, {0, 1}, {1}, {0, 1}}
	switch {
	case len(order) == 3:
		finds = slices.Delete(finds, 2, 3)
	case len(order) != 4, order[0] != first:
		r.t.Fatalf("lists of versions %q, of which %s was the first", order, first)
	}
	list := 0
	for n := range sent {
		d, ok := byPost[n]
		if ok {
			list = slices.Index(order, d.Lists[0])
			if !slices.Contains(finds[list], n%2) {
				r.t.Fatalf("post %d was found by list %d of %q", n, list, order)
			}
			continue
		}
		// Not found: it must be missing from the list of the post before it, or
		// from the next one, if that came here.
		if slices.Contains(finds[list], n%2) && (list+1 == len(finds) || slices.Contains(finds[list+1], n%2)) {
			r.t.Fatalf("post %d was not found by list %d of %q", n, list, order)
		}
	}
}

// number returns the number of the detection's post.
func (d found) number(t *testing.T) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(d.Post, "p%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
