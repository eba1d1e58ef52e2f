package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type files map[string][]byte

func (f files) ReadFile(path string) ([]byte, error) {
	if b, ok := f[path]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("%s: %w", path, os.ErrNotExist)
}

func (f files) Glob(string) ([]string, error) { return nil, nil }

func testConfig(servers ...*fakeServer) Config {
	c := Defaults()
	c.Start = "1"
	c.Spool.Path, c.Spool.Fsync, c.Spool.SegmentSize = "spool", false, 64<<10
	c.RetryMax = 20 * time.Millisecond
	for _, s := range servers {
		c.URLs = append(c.URLs, s.url())
	}
	return c
}

// lockedBuffer is a log that is read while it is written.
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

type rig struct {
	t   testing.TB
	src *source
	log lockedBuffer
	ctx context.Context
}

func start(t testing.TB, dir string, c Config, fs files, resume map[string]pipeline.Resume) *rig {
	t.Helper()
	r := &rig{t: t}
	p, err := newPlan(pipeline.BuildContext{Dir: dir, Mem: memory.DefaultAllocator, Files: fs, Logger: slog.New(slog.NewTextHandler(&r.log, nil))}, &c)
	if err != nil {
		t.Fatal(err)
	}
	src, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	r.src = src.(*source)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r.ctx = ctx
	t.Cleanup(r.stop)
	if err := src.Open(ctx, resume); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) stop() {
	if r.src != nil {
		if err := r.src.Close(context.Background()); err != nil {
			r.t.Error(err)
		}
		r.src = nil
	}
}

// read reads n records.
func (r *rig) read(n int) (recs []string, spans []pipeline.Span) {
	r.t.Helper()
	for len(recs) < n {
		c, err := r.src.Read(r.ctx)
		if err != nil {
			r.t.Fatalf("after %d of %d records: %v\n%s", len(recs), n, err, r.log.String())
		}
		for i := range c.Records {
			recs = append(recs, string(c.Data[c.Bounds[i]:c.Bounds[i+1]]))
		}
		spans = append(spans, c.Span)
		c.Release()
	}
	return recs, spans
}

// nothingMore checks that no record comes for a while.
func (r *rig) nothingMore() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, 150*time.Millisecond)
	defer cancel()
	if c, err := r.src.Read(ctx); err == nil {
		r.t.Errorf("%d records more: %.300q", c.Records, c.Data)
	}
}

// wantPosts checks that the records are the posts among events [0, n), each once
// and in order.
func wantPosts(t testing.TB, recs []string, n int) {
	t.Helper()
	at := 0
	for i := range n {
		if i%10 == 9 {
			continue // a like
		}
		if at >= len(recs) || !strings.Contains(recs[at], fmt.Sprintf(`"text":"post %d"`, i)) {
			t.Fatalf("record %d is not post %d: %.300q", at, i, recs[min(at, len(recs)-1)])
		}
		at++
	}
	if at != len(recs) {
		t.Fatalf("%d records, want %d", len(recs), at)
	}
}

func TestEventsInOrder(t *testing.T) {
	f := newServer(t, 0)
	for i := range 1000 {
		f.add(i)
	}
	r := start(t, t.TempDir(), testConfig(f), nil, nil)
	recs, _ := r.read(900)
	for i := 1000; i < 1100; i++ {
		f.add(i)
	}
	more, _ := r.read(90)
	wantPosts(t, append(recs, more...), 1100)
	q, err := url.ParseQuery(f.asked()[0])
	if err != nil || q.Get("cursor") != "1" || q.Get("wantedCollections") != "app.bsky.feed.post" || q.Has("compress") {
		t.Errorf("asked for %v", q)
	}
}

func TestStartsLive(t *testing.T) {
	f := newServer(t, 0)
	f.add(0)
	c := testConfig(f)
	c.Start = "now"
	r := start(t, t.TempDir(), c, nil, nil)
	for len(f.asked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	f.add(1)
	if recs, _ := r.read(1); !strings.Contains(recs[0], "post 1") {
		t.Errorf("got %q", recs)
	}
}

func TestCompressed(t *testing.T) {
	f := newServer(t, 0)
	var samples [][]byte
	for i := range 300 {
		f.add(i)
		samples = append(samples, []byte(f.log[i].text))
	}
	var err error
	f.dict, err = zstd.BuildDict(zstd.BuildDictOptions{ID: 77, Contents: samples, History: bytes.Join(samples[:40], nil), Offsets: [3]int{1, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig(f)
	c.Compress, c.Dictionary = true, "dict"
	r := start(t, t.TempDir(), c, files{"dict": f.dict}, nil)
	recs, _ := r.read(270)
	wantPosts(t, recs, 300)
	r.stop()

	// Another dictionary: the error says what to look at.
	other, err := zstd.BuildDict(zstd.BuildDictOptions{ID: 78, Contents: samples, History: bytes.Join(samples[:40], nil), Offsets: [3]int{1, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, t.TempDir(), c, files{"dict": other}, nil)
	r.nothingMore()
	if !strings.Contains(r.log.String(), "is the dictionary that of the server?") {
		t.Errorf("log: %s", r.log.String())
	}
	r.stop()
	for name, fs := range map[string]files{"no zstd dictionary": {"dict": []byte("x")}, "file does not exist": {}} {
		if _, err := newPlan(pipeline.BuildContext{Mem: memory.DefaultAllocator, Files: fs}, &c); err == nil || !strings.Contains(err.Error(), "dictionary") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDisconnects breaks connections after a few events each, and changes
// between servers whose clocks differ: each event is there once.
func TestDisconnects(t *testing.T) {
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			var all []*fakeServer
			for k := range servers {
				f := newServer(t, int64(k)*1_300_000) // 1.3 s each: 65 events
				seed := uint64(time.Now().UnixNano())
				rnd := rand.New(rand.NewPCG(seed, uint64(k)))
				t.Logf("seed %d", seed)
				var mu sync.Mutex
				f.dropAt = func(_, sent int) bool {
					mu.Lock()
					defer mu.Unlock()
					return sent > 270 && rnd.IntN(60) == 0 // after what is rewound and the clocks
				}
				for i := range 3000 {
					f.add(i)
				}
				all = append(all, f)
			}
			r := start(t, t.TempDir(), testConfig(all...), nil, nil)
			recs, _ := r.read(2700)
			wantPosts(t, recs, 3000)
			r.nothingMore()
			if n := len(all[0].asked()); n < 3 {
				t.Errorf("%d connections: the test shows nothing", n)
			}
		})
	}
}

// TestRestarts closes the source in the middle again and again, with another
// checkpoint position each time: each event has one record, whose number stays.
func TestRestarts(t *testing.T) {
	f := newServer(t, 0)
	f.pause = time.Millisecond
	for i := range 3000 {
		f.add(i)
	}
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	resume := map[string]pipeline.Resume{}
	var durable, all []string
	for len(durable) < 2700 {
		r := start(t, dir, testConfig(f), nil, resume)
		recs, spans := r.read(min(1+rnd.IntN(400), 2700-len(durable)))
		all = append(all[:len(durable)], recs...)
		// Commit some of it; the rest is read again.
		n := len(spans)
		if len(all) < 2700 {
			n = rnd.IntN(n + 1)
		}
		if n > 0 {
			to := spans[n-1].To
			var at int
			if _, err := fmt.Sscanf(string(to), "%d:", &at); err != nil {
				t.Fatal(err)
			}
			if err := r.src.Commit(r.ctx, partition, to); err != nil {
				t.Fatal(err)
			}
			if err := r.src.Keep(r.ctx, partition, to); err != nil {
				t.Fatal(err)
			}
			durable = all[:at]
			resume = map[string]pipeline.Resume{partition: {From: to}}
		}
		r.stop()
	}
	wantPosts(t, durable, 3000)
	if segs, _ := filepath.Glob(filepath.Join(dir, "spool", "*.spool")); len(segs) > 6 {
		t.Errorf("%d segments are left of what was committed", len(segs))
	}
}

// TestRecordedEnds reads again up to recorded ends while the servers are away.
func TestRecordedEnds(t *testing.T) {
	f := newServer(t, 0)
	for i := range 1000 {
		f.add(i)
	}
	dir := t.TempDir()
	c := testConfig(f)
	r := start(t, dir, c, nil, nil)
	want, spans := r.read(900)
	_, id, _ := strings.Cut(string(spans[0].To), ":")
	r.stop()
	f.http.CloseClientConnections()
	f.http.Close()
	at := func(n int) pipeline.Position { return pipeline.Position(fmt.Sprintf("%d:%s", n, id)) }
	r = start(t, dir, c, nil, map[string]pipeline.Resume{partition: {From: at(100), Until: []pipeline.Position{at(101), at(500)}}})
	got, spans := r.read(800)
	ends := map[pipeline.Position]bool{}
	for _, s := range spans {
		ends[s.To] = true
	}
	if !ends[at(101)] || !ends[at(500)] {
		t.Errorf("chunks end at %v", ends)
	}
	for i := range got {
		if got[i] != want[100+i] {
			t.Fatalf("record %d differs", 100+i)
		}
	}
	r.stop()
	p, err := newPlan(pipeline.BuildContext{Dir: dir, Mem: memory.DefaultAllocator}, &c)
	if err != nil {
		t.Fatal(err)
	}
	src, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close(context.Background())
	if err := src.Open(t.Context(), map[string]pipeline.Resume{partition: {From: at(100), Until: []pipeline.Position{at(2000)}}}); err == nil || !strings.Contains(err.Error(), "jetstream: an epoch that was begun ends at record 2000") {
		t.Errorf("an end that is not there: %v", err)
	}
}

func TestGarbage(t *testing.T) {
	f := newServer(t, 0)
	junk := []string{"not json", `{"kind":"account"}`, "[]", `{"time_us":"x"}`, `{"time_us":9999999999999999,"did":"d"}`, strings.Repeat("[", 200), "\xff"}
	f.before = func(_, sent int) []byte {
		if sent < len(junk) {
			return []byte(junk[sent])
		}
		return nil
	}
	f.dropAt = func(n, sent int) bool { return n < 3 && sent == 20 }
	for i := range 100 {
		f.add(i)
	}
	r := start(t, t.TempDir(), testConfig(f), nil, nil)
	recs, _ := r.read(90 + len(junk))
	var posts []string
	for _, rec := range recs {
		if strings.Contains(rec, `"commit"`) {
			posts = append(posts, rec)
		}
	}
	wantPosts(t, posts, 100)
	r.nothingMore()
	r.stop()

	// A frame that is too large ends the connection, not the source.
	f = newServer(t, 0)
	f.before = func(n, sent int) []byte {
		if n == 0 && sent == 5 {
			return bytes.Repeat([]byte("x"), maxFrame+1)
		}
		return nil
	}
	for i := range 20 {
		f.add(i)
	}
	r = start(t, t.TempDir(), testConfig(f), nil, nil)
	recs, _ = r.read(18)
	wantPosts(t, recs, 20)
}

func TestSilentServer(t *testing.T) {
	deaf, good := newServer(t, 0), newServer(t, 0)
	deaf.deaf = true
	good.add(0)
	c := testConfig(deaf, good)
	c.IdleTimeout = 100 * time.Millisecond
	r := start(t, t.TempDir(), c, nil, nil)
	recs, _ := r.read(1)
	wantPosts(t, recs, 1)
	if !strings.Contains(r.log.String(), "no event for 100ms") {
		t.Errorf("log: %s", r.log.String())
	}
}

func TestRefused(t *testing.T) {
	f := newServer(t, 0)
	f.status = 400
	r := start(t, t.TempDir(), testConfig(f), nil, nil)
	if _, err := r.src.Read(r.ctx); err == nil || !strings.Contains(err.Error(), "jetstream: connecting to ws://") || !strings.Contains(err.Error(), "not so") {
		t.Errorf("refused by all servers: %v", err)
	}
}

func TestManyAccounts(t *testing.T) {
	f := newServer(t, 0)
	for i := range 70 {
		f.add(i)
	}
	c := testConfig(f)
	c.DIDs = []string{"did:plc:author3"}
	for i := range maxInURL {
		c.DIDs = append(c.DIDs, fmt.Sprintf("did:plc:nobody%d", i))
	}
	r := start(t, t.TempDir(), c, nil, nil)
	recs, _ := r.read(9)
	for _, rec := range recs {
		if !strings.Contains(rec, "did:plc:author3") {
			t.Errorf("got %q", rec)
		}
	}
	r.nothingMore()
}

// TestBackPressure commits nothing until the spool is full: the source stops
// receiving, and goes on without a loss when there is room.
func TestBackPressure(t *testing.T) {
	f := newServer(t, 0)
	for i := range 8000 {
		f.add(i)
	}
	c := testConfig(f)
	c.MaxPending, c.PingTimeout = 1<<20, 200*time.Millisecond
	r := start(t, t.TempDir(), c, nil, nil)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(r.log.String(), "not receiving for the moment"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the spool was never full")
		}
	}
	if left, _, _, _ := r.src.Lag(); left > 1<<20 {
		t.Errorf("%d bytes wait", left)
	}
	var recs []string
	for len(recs) < 7200 {
		got, spans := r.read(1)
		recs = append(recs, got...)
		if err := r.src.Commit(r.ctx, partition, spans[0].To); err != nil {
			t.Fatal(err)
		}
	}
	wantPosts(t, recs, 8000)
}

func TestConfig(t *testing.T) {
	for _, k := range []struct {
		want string
		set  func(*Config)
	}{
		{"url: no server", func(c *Config) { c.URL = "" }},
		{"url: \"https://x\" is no address of a websocket", func(c *Config) { c.URL = "https://x" }},
		{"urls.0: \"wss://x/subscribe?cursor=1\" has parameters", func(c *Config) { c.URLs = []string{"wss://x/subscribe?cursor=1"} }},
		{"collections: 101 collections", func(c *Config) { c.Collections = make([]string, 101) }},
		{"dids.1: \"x\" is no DID", func(c *Config) { c.DIDs = []string{"did:plc:a", "x"} }},
		{"start: \"yesterday\"", func(c *Config) { c.Start = "yesterday" }},
		{"dictionary: compress needs the dictionary", func(c *Config) { c.Compress = true }},
		{"max_pending: 1 is out of range", func(c *Config) { c.MaxPending = 1 }},
		{"spool.path: no folder", func(c *Config) { c.Spool.Path = "" }},
	} {
		c := Defaults()
		c.URL = "wss://jetstream.example.com/subscribe"
		k.set(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("got %v, want %q", err, k.want)
		}
	}
	now := time.Unix(2000, 0)
	for s, want := range map[string]int64{"now": 0, "1000s": 1000_000_000, "1732206349000167": 1732206349000167, "1970-01-01T00:00:01Z": 1_000_000} {
		if got, err := parseStart(s, now); err != nil || got != want {
			t.Errorf("start %q: %d, %v, want %d", s, got, err, want)
		}
	}
}

// TestRealEvents reads real events, each of which has an identity of its own,
// which does not depend on the server's time.
func TestRealEvents(t *testing.T) {
	data := realdata.Read(t, "formats", "jetstream_samples", "real_events.jsonl")
	f := newServer(t, 0)
	seen := map[identity]bool{}
	n := 0
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		e := scanEvent(line)
		if e.timeUS == 0 || seen[e.id] {
			t.Errorf("an event without time or identity of its own: %.100q", line)
		}
		seen[e.id] = true
		later := bytes.Replace(line, fmt.Appendf(nil, "%d", e.timeUS), fmt.Appendf(nil, "%d", e.timeUS+1_234_567), 1)
		if l := scanEvent(later); l.id != e.id || l.timeUS == e.timeUS {
			t.Errorf("the identity depends on the time: %.100q", line)
		}
		f.addText(logged{e.timeUS, "", "", string(line)})
		n++
	}
	c := testConfig(f)
	c.Collections = nil
	r := start(t, t.TempDir(), c, nil, nil)
	if recs, _ := r.read(n); len(recs) != n {
		t.Errorf("%d records of %d events", len(recs), n)
	}
}

// FuzzScanEvent scans any frame: no panic, and equal frames are equal events.
func FuzzScanEvent(f *testing.F) {
	f.Add([]byte(`{"did":"d","time_us":1,"kind":"commit","commit":{"rev":"r","operation":"create","collection":"c","rkey":"k"}}`))
	f.Add([]byte(`{"time_us":17,"kind":"identity","identity":{"did":"d"}}`))
	f.Add([]byte(`{"a":[{}],}`))
	f.Add([]byte(` { } `))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := scanEvent(b)
		if e != scanEvent(bytes.Clone(b)) || e.timeUS < 0 {
			t.Fatalf("%+v", e)
		}
	})
}

func BenchmarkScanEvent(b *testing.B) {
	f := &fakeServer{grown: make(chan struct{})}
	f.add(1)
	frame := []byte(f.log[0].text)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		scanEvent(frame)
	}
}
