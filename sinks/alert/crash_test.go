package alert

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	childURL = "SLUICE_ALERT_TEST_URL"

	crashEpochs, crashGroups = 60, 4
)

func crashRows(n int) (rows []row) {
	for g := range crashGroups {
		rows = append(rows, det(fmt.Sprintf("r%d", g), fmt.Sprintf("a%d", n), n))
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
	cfg.Targets = map[string]Target{"hook": webhook(os.Getenv(childURL))}
	fatal := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	bc := pipeline.BuildContext{Pipeline: "p", Name: "alerts", Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	p, err := Factory().PlanSink(bc, &cfg, pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil})
	fatal(err)
	k, err := p.New()
	fatal(err)
	s := k.(*Sink)
	s.every = time.Millisecond
	var later atomic.Int64 // that the clock is ahead
	s.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
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

// TestSIGKILL kills the process at 30 random moments.
func TestSIGKILL(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	in := newReceiver(t)
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	killed := 0
	for run := 0; ; run++ {
		if run == 200 {
			t.Fatal("the process does not get done")
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+in.URL)
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
		if m.Status != "resolved" || m.Count != crashEpochs || m.Authors != crashEpochs {
			t.Errorf("%s ended as %s with %d detections of %d authors, want %d", rule, m.Status, m.Count, m.Authors, crashEpochs)
		}
	}
	t.Logf("killed %d times; %d messages in %d calls", killed, len(in.order), in.calls)
}
