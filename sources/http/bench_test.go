package http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// cpuTime is the processor time of the process in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkPost sends lines of 500 posts over loopback, by eight clients at a
// time, into a spool that is forced to disk and read as it grows. The figures
// hold the client's work too.
func BenchmarkPost(b *testing.B) {
	const posts = 500
	var body strings.Builder
	for i := range posts {
		fmt.Fprintf(&body, `{"id":"%d","created_at":"2026-01-01T00:00:00Z","author":{"id":"a%d","handle":"h"},"text":"the quick brown fox jumps over the lazy dog, and again the quick brown fox jumps over the lazy dog"}`+"\n", i, i%50)
	}
	c := testConfig()
	c.Spool.Fsync = true
	r := start(b, b.TempDir(), c, nil)
	tr := &http.Transport{MaxIdleConnsPerHost: 8}
	r.client.Transport = tr
	ctx, cancel := context.WithCancel(b.Context())
	var reader, clients sync.WaitGroup
	reader.Go(func() {
		for {
			chunk, err := r.src.Read(ctx)
			if err != nil {
				return
			}
			if r.src.Commit(ctx, partition, chunk.Span.To) != nil || r.src.Keep(ctx, partition, chunk.Span.To) != nil {
				b.Error("commit failed")
			}
			chunk.Release()
		}
	})
	work := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			for range work {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(body.String()))
				if err != nil {
					b.Error(err)
					return
				}
				res, err := r.client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusAccepted {
					b.Errorf("answer %d", res.StatusCode)
				}
			}
		})
	}
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	clients.Wait()
	spent := cpuTime(b) - before
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(posts)*float64(b.N)*1e9/float64(spent), "posts/cpu-s")
	b.ReportMetric(float64(posts)*float64(b.N)/b.Elapsed().Seconds(), "posts/s")
	cancel()
	reader.Wait()
}
