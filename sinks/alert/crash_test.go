package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// childDir and childURL tell this test's program that it is to be the process
// that is killed.
const (
	childDir = "SLUICE_ALERT_TEST_DIR"
	childURL = "SLUICE_ALERT_TEST_URL" // of the webhook, PagerDuty and the mail server's port, with spaces between

	crashEpochs, crashGroups, crashAuthors = 600, 4, 60
)

func crashRows(n int) (rows []row) {
	for g := range crashGroups {
		rows = append(rows, det(fmt.Sprintf("r%d", g), fmt.Sprintf("a%d", n%crashAuthors), n))
	}
	return rows
}

// child writes epochs from where the last process stopped, as the engine does:
// each is committed, to a file, after it was written.
func child() {
	dir := os.Getenv(childDir)
	cfg := Defaults()
	cfg.Path, cfg.Fsync = filepath.Join(dir, "alerts"), false
	cfg.GroupWait, cfg.GroupInterval, cfg.ResolveAfter = 0, 5*time.Millisecond, 100*time.Second
	var hook, page string
	var port int
	_, err := fmt.Sscan(os.Getenv(childURL), &hook, &page, &port)
	mail := &Email{Host: "127.0.0.1", Port: port, TLS: "none", From: "sluice@example.org", To: []string{"on-call@example.org"}}
	cfg.Targets = map[string]Target{
		"hook": webhook(hook), "mail": {Email: mail, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"},
		"page": {PagerDuty: &PagerDuty{RoutingKey: "r0uting", URL: page}, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"},
	}
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fatal(err)
	bc := pipeline.BuildContext{Pipeline: "p", Name: "alerts", Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	p, err := Factory().PlanSink(bc, &cfg, pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil})
	fatal(err)
	k, err := p.New()
	fatal(err)
	s := k.(*Sink)
	s.every = time.Millisecond
	var later atomic.Int64 // that the clock is ahead
	s.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	store, err := os.OpenFile(filepath.Join(dir, "rows"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	fatal(err)
	s.ReportTo(func(_ context.Context, r pipeline.Report) error { return appendRows(store, r) })
	fatal(s.Open(context.Background()))
	committed := filepath.Join(dir, "committed")
	n := 0
	if text, err := os.ReadFile(committed); err == nil {
		n, err = strconv.Atoi(string(text))
		fatal(err)
	}
	t := &testing.T{}
	for ; n < crashEpochs; n++ {
		rec := pipelinetest.Record(t, memory.DefaultAllocator, pipeline.DetectionsSchema(), crashRows(n))
		fatal(s.Write(context.Background(), testKey(n), []pipeline.Batch{{Record: rec, Stream: pipeline.Detections}}))
		fatal(os.WriteFile(committed+".tmp", []byte(strconv.Itoa(n+1)), 0o600))
		fatal(os.Rename(committed+".tmp", committed))
		time.Sleep(time.Millisecond)
	}
	later.Store(int64(cfg.ResolveAfter + time.Second)) // everything is quiet for long
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.look(false)
		s.mu.Lock()
		left := len(s.st.byID)
		for _, a := range s.st.alerts {
			if a.State != resolved {
				left++
			}
		}
		s.mu.Unlock()
		if left == 0 {
			break
		}
	}
	fatal(s.Close(context.Background()))
}

// appendRows writes a report's rows as lines of JSON.
func appendRows(f *os.File, r pipeline.Report) error {
	rows, err := r.Record.MarshalJSON() // a list of objects
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(rows, &list); err != nil {
		return err
	}
	var out []byte
	for _, row := range list {
		out = append(append(append(append(out, r.Table...), ' '), row...), '\n')
	}
	_, err = f.Write(out)
	return err
}

// checkRows looks for a row of each message, and of each one's delivery to each
// target, in what the killed processes reported.
func checkRows(t *testing.T, path string, ms []*Message) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	alerts, sent := map[string]int64{}, map[string]bool{}
	for line := range strings.Lines(string(data)) {
		table, text, _ := strings.Cut(line, " ")
		var row struct {
			Alert      string `json:"alert_id"`
			Sequence   int
			Detections int64
			Target     string
			Result     string
		}
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			continue // torn by a kill
		}
		key := fmt.Sprint(row.Alert, " ", row.Sequence)
		if before, there := alerts[key]; table == "alerts" && there && before != row.Detections {
			t.Errorf("two rows of %s: %d and %d detections", key, before, row.Detections)
		}
		if table == "alerts" {
			alerts[key] = row.Detections
		} else if row.Result == "sent" || row.Result == "replaced" {
			// An update that was taken as the process was killed may wait again, and
			// be replaced by a newer one.
			sent[key+" "+row.Target] = true
		}
	}
	for _, m := range ms {
		key := fmt.Sprint(m.AlertID, " ", m.Sequence)
		if n, there := alerts[key]; !there || n != m.Count {
			t.Errorf("message %s of %d detections has a row of %d", key, m.Count, n)
		}
		if !sent[key+" hook"] {
			t.Errorf("no row says what became of %s", key)
		}
	}
}

// TestSIGKILL kills the process at 30 random moments.
func TestSIGKILL(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	in, page, post := newReceiver(t), newPager(t), newSMTP(t, false, false)
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	killed := 0
	for run := 0; ; run++ {
		if run == 200 {
			t.Fatal("the process does not get done")
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+fmt.Sprint(in.URL, " ", page.URL, " ", post.port()))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		wait := time.Minute
		if killed < 30 {
			wait = time.Duration(20+rng.IntN(80)) * time.Millisecond
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(wait):
			killed++
			_ = cmd.Process.Kill()
			<-done
			continue
		}
		break
	}
	last, ids := map[string]*Message{}, map[string]bool{}
	for _, m := range in.messages(t) {
		if b := last[m.Rule]; b != nil && m.Sequence <= b.Sequence {
			t.Errorf("%s: message %d came after %d", m.Rule, m.Sequence, b.Sequence)
		}
		last[m.Rule], ids[m.AlertID] = m, true
	}
	if len(ids) != crashGroups {
		t.Errorf("%d alerts, want %d", len(ids), crashGroups)
	}
	for rule, m := range last {
		if m.Status != "resolved" || m.Count != crashEpochs || m.Authors != crashAuthors {
			t.Errorf("%s ended as %s with %d detections of %d authors, want %d of %d", rule, m.Status, m.Count, m.Authors, crashEpochs, crashAuthors)
		}
	}
	if killed < 30 {
		t.Errorf("killed %d times only", killed)
	}
	// PagerDuty opened one incident for each, and none is open.
	page.mu.Lock()
	defer page.mu.Unlock()
	for key, state := range page.incidents {
		if state != "resolved" || page.opened[key] != 1 || !ids[key] {
			t.Errorf("incident %s is %s, and was opened %d times", key, state, page.opened[key])
		}
	}
	if len(page.incidents) != crashGroups || page.breach != "" {
		t.Errorf("%d incidents; %s", len(page.incidents), page.breach)
	}
	// Each message to the webhook was mailed too, where no newer update took its
	// place, and the last of each alert certainly.
	mails := map[string]bool{}
	for _, l := range post.letters(t) {
		mails[l.Header.Get("X-Sluice-Alert")+" "+l.Header.Get("X-Sluice-Status")] = true
	}
	for id := range ids {
		if !mails[id+" firing"] || !mails[id+" resolved"] {
			t.Errorf("alert %s was not mailed: %v", id, mails)
		}
	}
	checkRows(t, filepath.Join(dir, "rows"), in.messages(t))
	t.Logf("killed %d times; %d messages in %d calls; %d mails, %d events", killed, len(in.order), in.calls, len(post.mails), len(page.events))
}
