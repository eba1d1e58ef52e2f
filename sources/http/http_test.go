package http

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an open source and a client.
type rig struct {
	t      testing.TB
	src    *source
	client *http.Client
	url    string
	log    bytes.Buffer
	ctx    context.Context // of reads
}

func testConfig() Config {
	c := Defaults()
	c.Listen, c.Spool.Path, c.Spool.Fsync = "127.0.0.1:0", "spool", false
	c.Ack = "accepted"
	return c
}

func plainPlan(t testing.TB, dir string, c Config, log io.Writer) pipeline.SourcePlan {
	t.Helper()
	p, err := newPlan(pipeline.BuildContext{Dir: dir, Mem: memory.DefaultAllocator, Logger: slog.New(slog.NewTextHandler(log, nil))}, &c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(t testing.TB, dir string, c Config, resume map[string]pipeline.Resume) *rig {
	t.Helper()
	r := &rig{t: t, client: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	src, err := plainPlan(t, dir, c, &r.log).New()
	if err != nil {
		t.Fatal(err)
	}
	r.src = src.(*source)
	if err := r.src.Open(t.Context(), resume); err != nil {
		r.src.Close(context.Background())
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r.ctx = ctx
	t.Cleanup(cancel)
	r.url = "http://" + r.src.server.listener.Addr().String() + c.Path
	t.Cleanup(r.stop)
	return r
}

func (r *rig) stop() {
	r.client.CloseIdleConnections()
	if r.src == nil {
		return
	}
	if err := r.src.Close(context.Background()); err != nil {
		r.t.Error(err)
	}
	r.src = nil
}

func (r *rig) do(method, url string, body io.Reader, header ...string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Error(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b)), res.Header
}

func (r *rig) post(body string, header ...string) (int, string) {
	r.t.Helper()
	code, answer, _ := r.do(http.MethodPost, r.url, strings.NewReader(body), header...)
	return code, answer
}

// read reads n records and returns them, with the chunks' spans.
func (r *rig) read(n int) (recs []string, spans []pipeline.Span) {
	r.t.Helper()
	for len(recs) < n {
		c, err := r.src.Read(r.ctx)
		if err != nil {
			r.t.Fatalf("after %d of %d records: %v", len(recs), n, err)
		}
		if len(spans) > 0 && c.Span.From != spans[len(spans)-1].To {
			r.t.Fatalf("a chunk from %q after one to %q", c.Span.From, spans[len(spans)-1].To)
		}
		for i := range c.Records {
			recs = append(recs, string(c.Data[c.Bounds[i]:c.Bounds[i+1]]))
		}
		spans = append(spans, c.Span)
		c.Release()
	}
	return recs, spans
}

func packed(t testing.TB, kind, s string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if kind == "zstd" {
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return b.String()
}

func TestBodies(t *testing.T) {
	c := testConfig()
	c.MaxBody, c.MaxPending = 4096, 1<<20
	r := start(t, t.TempDir(), c, nil)
	zeros := strings.Repeat(" ", 1<<20)
	var want []string
	for _, k := range []struct {
		name, body string
		header     []string
		code       int
		answer     string
		records    []string
	}{
		{"lines", "{\"a\":1}\n\n  \r\n{\"a\":2}\r\nnot json", nil, 202, `{"records":3}`, []string{`{"a":1}`, "{\"a\":2}\r", "not json"}},
		{"array", " [ {\"a\":\n 1} ,2,\"x,]\",[3,[4]] ] \n", nil, 202, `{"records":4}`, []string{"{\"a\":\n 1}", "2", `"x,]"`, "[3,[4]]"}},
		{"empty array", "[]", nil, 200, `{"records":0}`, nil},
		{"nothing", " \n", nil, 200, `{"records":0}`, nil},
		{"one object over lines", "{\n\"a\": 1\n}\n", []string{"Content-Type", "application/json; charset=utf-8"}, 202, `{"records":1}`, []string{"{\n\"a\": 1\n}"}},
		{"lines called json", "{\"a\":1}\n{\"a\":2}\n", []string{"Content-Type", "application/json"}, 202, `{"records":2}`, []string{`{"a":1}`, `{"a":2}`}},
		{"gzip", packed(t, "gzip", "1\n2\n"), []string{"Content-Encoding", "gzip"}, 202, `{"records":2}`, []string{"1", "2"}},
		{"zstd", packed(t, "zstd", "[1,2]"), []string{"Content-Encoding", "zstd"}, 202, `{"records":2}`, []string{"1", "2"}},
		{"no end", `[1,2`, nil, 400, "record 3, byte 4: the array has no end", nil},
		{"in the middle of a value", `[1,{"a":`, nil, 400, "record 2, byte 8: ends in the middle of a value", nil},
		{"comma", `[1,]`, nil, 400, "record 2, byte 3: not valid JSON", nil},
		{"colon", `[1:2]`, nil, 400, "record 2, byte 2: want a comma or the end of the array", nil},
		{"after", `[1] [2]`, nil, 400, "byte 4: there is more after the array", nil},
		{"utf-8", "[\"a\xff\"]", nil, 400, "record 1, byte 3: not valid UTF-8", nil},
		{"deep", strings.Repeat("[", 2000), nil, 400, "record 1, byte 128: nested too deep", nil},
		{"large", strings.Repeat("x", 4097), nil, 413, "the body is larger than 4KiB", nil},
		{"gzip bomb", packed(t, "gzip", zeros), []string{"Content-Encoding", "gzip"}, 413, "the body is larger than 4KiB", nil},
		{"zstd bomb", packed(t, "zstd", zeros), []string{"Content-Encoding", "zstd"}, 413, "the body is larger than 4KiB", nil},
		{"gzip cut off", packed(t, "gzip", "1\n2\n3\n")[:20], []string{"Content-Encoding", "gzip"}, 400, "gzip: unexpected EOF", nil},
		{"zstd cut off", packed(t, "zstd", "1\n2\n3\n")[:9], []string{"Content-Encoding", "zstd"}, 400, "zstd: unexpected EOF", nil},
		{"no gzip", "1\n", []string{"Content-Encoding", "gzip"}, 400, "gzip: ", nil},
		{"brotli", "1\n", []string{"Content-Encoding", "br"}, 415, `unknown Content-Encoding \"br\": use gzip or zstd`, nil},
		{"long key", "1\n", []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "use at most 255", nil},
	} {
		code, answer := r.post(k.body, k.header...)
		if code != k.code || !strings.Contains(answer, k.answer) {
			t.Errorf("%s: %d %s, want %d with %s", k.name, code, answer, k.code, k.answer)
		}
		want = append(want, k.records...)
	}
	got, _ := r.read(len(want))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d: %q, want %q", i, got[i], want[i])
		}
	}
	if _, next := r.src.feed.Range(); next != uint64(len(want)) {
		t.Errorf("the spool has %d records, want %d: something refused was taken", next, len(want))
	}
}

func TestRequests(t *testing.T) {
	c := testConfig()
	c.Tokens = []pipeline.Secret{"token-of-the-first-client", "token-of-the-second-client"}
	c.Rate, c.Burst = 0.01, 3
	r := start(t, t.TempDir(), c, nil)
	first := []string{"Authorization", "Bearer token-of-the-first-client"}
	if code, answer, h := r.do(http.MethodGet, r.url, http.NoBody); code != 405 || h.Get("Allow") != "POST" || !strings.Contains(answer, "POST JSON lines") {
		t.Errorf("GET: %d %s", code, answer)
	}
	if code, answer, _ := r.do(http.MethodPost, r.url+"/x", http.NoBody); code != 404 || !strings.Contains(answer, "POST to /posts") {
		t.Errorf("another path: %d %s", code, answer)
	}
	for _, a := range []string{"", "Bearer", "Bearer x", "Basic token-of-the-first-client", "Bearer token-of-the-first-clien"} {
		if code, answer, h := r.do(http.MethodPost, r.url, strings.NewReader("1"), "Authorization", a); code != 401 || h.Get("WWW-Authenticate") != "Bearer" || strings.Contains(answer, "token-of") {
			t.Errorf("token %q: %d %s", a, code, answer)
		}
	}
	for range 3 {
		if code, answer := r.post("1", first...); code != 202 {
			t.Errorf("%d %s", code, answer)
		}
	}
	if code, answer, h := r.do(http.MethodPost, r.url, strings.NewReader("1"), first...); code != 429 || h.Get("Retry-After") == "" || h.Get("Retry-After") == "0" {
		t.Errorf("beyond the rate: %d %s, Retry-After %q", code, answer, h.Get("Retry-After"))
	}
	if code, answer := r.post("1", "Authorization", "bearer token-of-the-second-client"); code != 202 {
		t.Errorf("another token: %d %s", code, answer)
	}
	r.stop()
	if strings.Contains(r.log.String(), "token-of") {
		t.Errorf("a token is in the log: %s", r.log.String())
	}
}

func TestIdempotency(t *testing.T) {
	c := testConfig()
	c.Tokens = []pipeline.Secret{"token-of-the-first-client", "token-of-the-second-client"}
	dir := t.TempDir()
	r := start(t, dir, c, nil)
	one, two := []string{"Authorization", "Bearer " + string(c.Tokens[0]), "Idempotency-Key", "k"}, []string{"Authorization", "Bearer " + string(c.Tokens[1]), "X-Request-Id", "k"}
	for range 3 {
		if code, answer := r.post("1\n2\n", one...); code != 202 || answer != `{"records":2}` {
			t.Errorf("%d %s", code, answer)
		}
		r.stop()
		r = start(t, dir, c, nil)
	}
	if code, answer := r.post("3\n", one...); code != 422 || !strings.Contains(answer, "another body") {
		t.Errorf("another body: %d %s", code, answer)
	}
	if code, answer := r.post("3\n", two...); code != 202 {
		t.Errorf("the same key of another client: %d %s", code, answer)
	}
	if _, next := r.src.feed.Range(); next != 3 {
		t.Errorf("%d records, want 3", next)
	}
}

// TestDurable checks that a request is answered when its records are committed,
// and not before.
func TestDurable(t *testing.T) {
	c := testConfig()
	c.Ack, c.AckTimeout = "durable", 20*time.Second
	r := start(t, t.TempDir(), c, nil)
	answers := make(chan int, 1)
	go func() {
		code, _ := r.post("1\n2\n")
		answers <- code
	}()
	_, spans := r.read(2)
	select {
	case code := <-answers:
		t.Fatalf("answered %d before it was durable", code)
	case <-time.After(50 * time.Millisecond):
	}
	if err := r.src.Commit(t.Context(), partition, spans[len(spans)-1].To); err != nil {
		t.Fatal(err)
	}
	if code := <-answers; code != 200 {
		t.Errorf("%d, want 200", code)
	}
	// One that is not committed before the end is in the spool.
	go func() {
		code, _ := r.post("3\n")
		answers <- code
	}()
	r.read(1)
	r.stop()
	if code := <-answers; code != 202 {
		t.Errorf("at the end: %d, want 202", code)
	}

	c.AckTimeout = 10 * time.Millisecond
	r = start(t, t.TempDir(), c, nil)
	if code, _ := r.post("1\n"); code != 202 {
		t.Errorf("after ack_timeout: %d, want 202", code)
	}
}

func TestBackPressure(t *testing.T) {
	c := testConfig()
	c.MaxBody, c.MaxPending = 1024, 2048
	r := start(t, t.TempDir(), c, nil)
	body, taken := strings.Repeat("x", 600), 0
	for ; taken < 10; taken++ {
		code, answer, h := r.do(http.MethodPost, r.url, strings.NewReader(body))
		if code == 503 {
			if h.Get("Retry-After") == "" || !strings.Contains(answer, "max_pending 2KiB") {
				t.Errorf("503 %s %v", answer, h)
			}
			break
		}
	}
	if taken == 0 || taken > 3 {
		t.Errorf("%d bodies of 600 bytes were taken into 2048", taken)
	}
	if left, _, unit, known := r.src.Lag(); left < 600 || unit != "bytes" || !known {
		t.Errorf("lag %d %s", left, unit)
	}
	_, spans := r.read(taken)
	if err := r.src.Commit(t.Context(), partition, spans[len(spans)-1].To); err != nil {
		t.Fatal(err)
	}
	if code, answer := r.post(body); code != 202 {
		t.Errorf("with room again: %d %s", code, answer)
	}
}

// TestStopRefuses checks that requests are refused once reading has ended.
func TestStopRefuses(t *testing.T) {
	r := start(t, t.TempDir(), testConfig(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.post("1\n")
	if _, err := r.src.Read(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.src.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the end: %v", err)
	}
	for range 100 {
		if r.src.server.refusing.Load() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if code, answer, h := r.do(http.MethodPost, r.url, strings.NewReader("2\n")); code != 503 || h.Get("Retry-After") == "" {
		t.Errorf("%d %s", code, answer)
	}
}

func TestSlowClient(t *testing.T) {
	c := testConfig()
	c.ReadTimeout = 200 * time.Millisecond
	r := start(t, t.TempDir(), c, nil)
	for _, k := range []struct{ name, head, want string }{
		{"in the head", "POST /posts HTTP/1.1\r\nHost:", ""},
		{"in the body", "POST /posts HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", "HTTP/1.1 408"},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.src.server.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, k.head)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), k.want) {
			t.Errorf("%s: %q, %v, want %q", k.name, got, err, k.want)
		}
	}
	if _, next := r.src.feed.Range(); next != 0 {
		t.Errorf("%d records of bodies that did not come", next)
	}
}

// TestResume reads under recorded ends after a restart: the chunks end there,
// and hold the same records.
func TestResume(t *testing.T) {
	dir, c := t.TempDir(), testConfig()
	c.Spool.SegmentSize = 64 << 10
	r := start(t, dir, c, nil)
	for i := range 100 {
		if code, answer := r.post(strings.Repeat(fmt.Sprintf("%d %s\n", i, strings.Repeat("x", 100)), 30)); code != 202 {
			t.Fatalf("%d %s", code, answer)
		}
	}
	all, _ := r.read(3000)
	at := func(n uint64) pipeline.Position {
		return pipeline.Position(fmt.Sprintf("%d:%016x", n, r.src.feed.ID()))
	}
	resume := pipeline.Resume{From: at(1000), Until: []pipeline.Position{at(1001), at(1333), at(2000)}}
	foreign := pipeline.Position("5:00000000000000ff")
	tooFar := at(3001)
	if err := r.src.Commit(t.Context(), partition, at(1000)); err != nil {
		t.Fatal(err)
	}
	if err := r.src.Keep(t.Context(), partition, at(1000)); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, dir, c, map[string]pipeline.Resume{partition: resume})
	got, spans := r.read(2000)
	for i := range got {
		if got[i] != all[1000+i] {
			t.Fatalf("record %d differs", 1000+i)
		}
	}
	ends := map[pipeline.Position]bool{}
	for _, s := range spans {
		ends[s.To] = true
	}
	for _, u := range resume.Until {
		if !ends[u] {
			t.Errorf("no chunk ends at %q", u)
		}
	}
	r.stop()
	for name, k := range map[string]struct {
		resume map[string]pipeline.Resume
		want   string
	}{
		"deleted":   {map[string]pipeline.Resume{partition: {From: at1(resume.From)}}, "holds"},
		"too far":   {map[string]pipeline.Resume{partition: {From: tooFar}}, "the checkpoint is at record 3001, but the spool"},
		"until":     {map[string]pipeline.Resume{partition: {From: resume.From, Until: []pipeline.Position{tooFar}}}, "an epoch that was begun ends at record 3001"},
		"foreign":   {map[string]pipeline.Resume{partition: {From: foreign}}, "is at record 5 of the spool 00000000000000ff"},
		"garbage":   {map[string]pipeline.Resume{partition: {From: "x"}}, "is no position of this source"},
		"partition": {map[string]pipeline.Resume{"files": {}}, `there is only "requests"`},
	} {
		src, err := plainPlan(t, dir, c, io.Discard).New()
		if err != nil {
			t.Fatal(err)
		}
		if err := src.Open(t.Context(), k.resume); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v, want %q", name, err, k.want)
		}
		src.Close(context.Background())
	}
}

// at1 is record 1 of the same spool.
func at1(p pipeline.Position) pipeline.Position {
	_, id, _ := strings.Cut(string(p), ":")
	return pipeline.Position("1:" + id)
}

func TestManyClients(t *testing.T) {
	c := testConfig()
	c.Spool.Fsync = true
	r := start(t, t.TempDir(), c, nil)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for k := range 10 {
				if code, answer := r.post(fmt.Sprintf("%d-%d\n", i, k)); code != 202 {
					t.Errorf("%d %s", code, answer)
				}
			}
		})
	}
	got, _ := r.read(200)
	wg.Wait()
	seen := map[string]bool{}
	for _, g := range got {
		seen[g] = true
	}
	if len(got) != 200 || len(seen) != 200 {
		t.Errorf("%d records, %d different ones, want 200", len(got), len(seen))
	}
}

func TestTLS(t *testing.T) {
	dir, c := t.TempDir(), testConfig()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.TLS = TLS{Cert: "cert.pem", Key: "key.pem"}
	r := start(t, dir, c, nil)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	r.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	r.url = strings.Replace(r.url, "http:", "https:", 1)
	if code, answer := r.post("1\n"); code != 202 {
		t.Errorf("%d %s", code, answer)
	}
}

func TestConfig(t *testing.T) {
	for _, k := range []struct {
		want string
		set  func(*Config)
	}{
		{"listen: \"8088\" is not host:port", func(c *Config) { c.Listen = "8088" }},
		{"there are no tokens", func(c *Config) { c.Listen = ":8088" }},
		{"there is no tls", func(c *Config) { c.Listen, c.Tokens = "0.0.0.0:1", []pipeline.Secret{"0123456789abcdef"} }},
		{"tokens.1: a token of less than 16", func(c *Config) { c.Tokens = []pipeline.Secret{"0123456789abcdef", "hush"} }},
		{"tls: a certificate needs its key", func(c *Config) { c.TLS.Cert = "x" }},
		{"path: \"posts\" is no path", func(c *Config) { c.Path = "posts" }},
		{"ack: \"soon\"", func(c *Config) { c.Ack = "soon" }},
		{"max_body: 1 is out of range: use 1KiB to 64MiB", func(c *Config) { c.MaxBody = 1 }},
		{"max_pending: 1MiB is out of range: use 16MiB", func(c *Config) { c.MaxPending = 1 << 20 }},
		{"spool.path: no folder", func(c *Config) { c.Spool.Path = "" }},
	} {
		c := Defaults()
		k.set(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("got %v, want %q", err, k.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("the token is in the error: %v", err)
		}
	}
	c := Defaults()
	c.Listen, c.AllowInsecure = "0.0.0.0:1", true
	if err := c.Validate(); err != nil {
		t.Errorf("allow_insecure: %v", err)
	}
}
