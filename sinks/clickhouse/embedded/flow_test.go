package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rss is the child's resident memory in bytes.
func rss(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc to read the memory from")
	}
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
			must(t, err)
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestStreamingMemory moves 1.6 GB out and 400 MB in, and looks at the peak.
func TestStreamingMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 2 GB")
	}
	e := startTest(t, nil)
	e.sql(t, "SELECT number, repeat('x', 100) FROM numbers(100000) FORMAT Native")
	before := rss(t, e.PID())
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+e.Addr()+"/", strings.NewReader("SELECT number, repeat('x', 70) FROM numbers(20000000) FORMAT Native"))
	must(t, err)
	req.SetBasicAuth(e.User(), e.Password())
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	must(t, err)
	if n < 1500<<20 {
		t.Errorf("only %d bytes came", n)
	}
	if grown := rss(t, e.PID()) - before; grown > 300<<20 {
		t.Errorf("a result of %d MiB took %d MiB of memory", n>>20, grown>>20)
	}
	line := []byte("1234567," + strings.Repeat("y", 91) + "\n")
	chunk := bytes.Repeat(line, 10000)
	body := &repeated{chunk: chunk, left: 400}
	a := e.call(t, call{params: q("query", "INSERT INTO TABLE FUNCTION null('a UInt64, s String') FORMAT CSV"), body: body})
	if a.status != 200 {
		t.Fatal(a.body)
	}
	if grown := rss(t, e.PID()) - before; grown > 600<<20 {
		t.Errorf("an insert of %d MiB took %d MiB of memory", 400*len(chunk)>>20, grown>>20)
	}
}

type repeated struct {
	chunk []byte
	left  int
	rest  []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.chunk
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// waitFor runs query until it gives want.
func (e *Engine) waitFor(t *testing.T, query, want string) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		got := e.sql(t, query)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: still %q, want %q", query, got, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestDisconnectCancels lets clients go away from statements that would run for
// hours, streamed and not.
func TestDisconnectCancels(t *testing.T) {
	e := startTest(t, func(o *Options) { o.Readers = 1; o.Writers = 2 })
	e.sql(t, "CREATE TABLE c (a UInt64) ENGINE = Null")
	for _, query := range []string{
		"SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1",
		"SELECT number FROM numbers(10000000000000) WHERE sipHash64(number) % 1000000 = 1",
		"SELECT number FROM numbers(10000000000000) FORMAT TSV",
		"SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1 FORMAT JSON",
		"INSERT INTO c SELECT number FROM numbers(10000000000000) WHERE sipHash64(number) = 1",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", "http://"+e.Addr()+"/", strings.NewReader(query))
		must(t, err)
		req.SetBasicAuth(e.User(), e.Password())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.CopyN(io.Discard, resp.Body, 1<<20)
				<-ctx.Done()
				resp.Body.Close()
			}
		}()
		const running = "SELECT count() FROM system.processes WHERE query LIKE '%10000000000000)%' AND query NOT LIKE '%system.processes%'"
		e.waitFor(t, running, "1\n")
		cancel()
		<-ended
		e.waitFor(t, running, "0\n")
	}
}

func TestTooManyQueries(t *testing.T) {
	e := startTest(t, func(o *Options) { o.Readers = 1; o.QueueWait = 100 * time.Millisecond })
	slow := make(chan answer)
	go func() { slow <- e.call(t, call{reader: true, body: strings.NewReader("SELECT sleep(3)")}) }()
	e.waitFor(t, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep(3)%'", "1\n")
	a := e.call(t, call{reader: true, body: strings.NewReader("SELECT 1")})
	if a.header.Get("X-ClickHouse-Exception-Code") != "202" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := e.sql(t, "SELECT 1"); got != "1\n" { // the writer has slots of its own
		t.Errorf("%q", got)
	}
	if a := <-slow; a.body != "0\n" {
		t.Errorf("%q", a.body)
	}
}

// TestHTTPLateError has a query fail after a part of its result was sent: the
// connection must break, and the exception be at the end.
func TestHTTPLateError(t *testing.T) {
	e := startTest(t, nil)
	const query = "SELECT throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 65536"
	a := e.call(t, call{body: strings.NewReader(query)})
	tag := a.header.Get("X-ClickHouse-Exception-Tag")
	if a.status != 200 || a.err == nil || !strings.Contains(a.body, "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception: ") {
		t.Errorf("%d, %v, ends in %.200q", a.status, a.err, a.body[max(0, len(a.body)-200):])
	}
	// All or nothing.
	a = e.call(t, call{params: q("wait_end_of_query", "1"), body: strings.NewReader(query)})
	if a.status != 500 || a.header.Get("X-ClickHouse-Exception-Code") != "395" || strings.Contains(a.body, "__exception__") {
		t.Errorf("%d %.200s", a.status, a.body)
	}
	a = e.call(t, call{params: q("wait_end_of_query", "1", "buffer_size", "1000"), body: strings.NewReader("SELECT number FROM numbers(1000000)")})
	if a.status != 200 || len(a.body) != 6888890 {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	left, err := os.ReadDir(e.opts.Path + "/tmp")
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
