package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// httpRig is a pipeline that posts are sent to while it is killed again and
// again.
type httpRig struct {
	t         *testing.T
	file, out string
	url       string
	client    *http.Client
}

func newHTTPRig(t *testing.T, ack string) *httpRig {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String() // a port that is free, and is the same one for every run
	l.Close()
	dir := t.TempDir()
	r := &httpRig{
		t: t, file: filepath.Join(dir, "http.yaml"), out: filepath.Join(dir, "posts.jsonl"), url: "http://" + addr + "/posts",
		client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second},
	}
	t.Cleanup(r.client.CloseIdleConnections)
	yaml := fmt.Sprintf(`pipeline: posts
source:
  http: { listen: %q, format: plain, ack: %s, ack_timeout: 5s, tokens: [a-token-for-the-test], spool: { segment_size: 64KiB } }
sinks:
  - file: { from: posts, path: posts.jsonl }
engine: { epoch: { rows: 500, interval: 20ms } }
admin: { listen: "off" }
`, addr, ack)
	if err := os.WriteFile(r.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// send posts a body once; 0 when there was no answer.
func (r *httpRig) send(body, key string) int {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer a-token-for-the-test")
	req.Header.Set("Idempotency-Key", key)
	res, err := r.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0
	}
	if res.StatusCode != 200 && res.StatusCode != 202 && res.StatusCode != 503 {
		r.t.Errorf("%d %s", res.StatusCode, answer)
	}
	return res.StatusCode
}

// ids counts the posts in the sink's file by id.
func (r *httpRig) ids() map[string]int {
	data, err := os.ReadFile(r.out)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]int{}
	for line := range bytes.Lines(data) {
		var p struct{ ID string }
		if err := json.Unmarshal(line, &p); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		out[p.ID]++
	}
	return out
}

// TestHTTPKilledAtRandomPoints sends posts while the process is killed again
// and again. Some clients repeat a request until it is answered, others give up
// at the first fault. Afterwards each post that was acknowledged is there once,
// and no post is there twice.
func TestHTTPKilledAtRandomPoints(t *testing.T) {
	for _, ack := range []string{"durable", "accepted"} {
		t.Run(ack, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 1))
			r := newHTTPRig(t, ack)
			kills := 12
			if testing.Short() {
				kills = 3
			}
			stop := make(chan struct{})
			acked := &sync.Map{}
			var clients sync.WaitGroup
			for c := range 4 {
				clients.Go(func() { r.clientLoop(c, stop, acked) })
			}
			for n := 0; n < kills; n++ {
				cmd := sluice(t, "run", r.file, "--quiet")
				var log bytes.Buffer
				cmd.Stderr = &log
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300*time.Millisecond + time.Duration(rnd.Int64N(int64(700*time.Millisecond))))
				_ = cmd.Process.Kill()
				if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("run %d ended by itself: %v\n%s", n, err, log.String())
				}
			}
			cmd := sluice(t, "run", r.file, "--quiet")
			var log bytes.Buffer
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			close(stop)
			clients.Wait()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "exit status 4") {
				t.Fatalf("the last run: %v\n%s", err, log.String())
			}
			r.drain()
			r.check(acked)
		})
	}
}

// clientLoop sends bodies of a few posts. An odd client sends each one once.
func (r *httpRig) clientLoop(c int, stop chan struct{}, acked *sync.Map) {
	for n := 0; ; n++ {
		var body strings.Builder
		var ids []string
		for i := range 1 + n%20 {
			id := fmt.Sprintf("%d-%d-%d", c, n, i)
			ids = append(ids, id)
			fmt.Fprintf(&body, `{"id":%q,"created_at":"2026-01-01T00:00:00Z","author":{"id":"a"},"text":"hello"}`+"\n", id)
		}
		for {
			code := r.send(body.String(), fmt.Sprintf("%d-%d", c, n))
			if code == 200 || code == 202 {
				for _, id := range ids {
					acked.Store(id, true)
				}
				break
			}
			if c%2 == 1 && code == 0 {
				break // it may be there or not
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// drain runs the pipeline once more, for what was accepted last, until the file
// does not grow.
func (r *httpRig) drain() {
	cmd := sluice(r.t, "run", r.file, "--quiet")
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(r.out)
		if errors.Is(err, os.ErrNotExist) {
			return 0
		} else if err != nil {
			r.t.Fatal(err)
		}
		return info.Size()
	}
	last, still := size(), 0
	for range 200 {
		time.Sleep(100 * time.Millisecond)
		if now := size(); now == last {
			still++
		} else {
			last, still = now, 0
		}
		if still == 10 && r.send("", "none") == 200 { // up, and nothing left
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
}

func (r *httpRig) check(acked *sync.Map) {
	r.t.Helper()
	got, n := r.ids(), 0
	acked.Range(func(id, _ any) bool {
		n++
		if got[id.(string)] == 0 {
			r.t.Errorf("post %s was acknowledged and is not there", id)
		}
		return !r.t.Failed()
	})
	for id, times := range got {
		if times > 1 {
			r.t.Fatalf("post %s is there %d times", id, times)
		}
	}
	r.t.Logf("%d posts acknowledged, %d written", n, len(got))
	if n < 100 {
		r.t.Errorf("%d posts were acknowledged: the test shows nothing", n)
	}
}
