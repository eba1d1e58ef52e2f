package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/visible"
	"github.com/sluicehq/sluice/pipeline"
)

// TestTrouble is what receivers do wrong: the stated behaviour.
func TestTrouble(t *testing.T) {
	status := func(code int) func(int, http.ResponseWriter, *http.Request) bool {
		return func(call int, w http.ResponseWriter, _ *http.Request) bool {
			if call <= 3 {
				w.WriteHeader(code)
			}
			return call <= 3
		}
	}
	for _, c := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request) bool
		calls  int
		dead   string // reason of the dead letter; "" when it is delivered
	}{
		{"500", status(500), 4, ""},
		{"503", status(503), 4, ""},
		{"401 until the key is mended", status(401), 4, ""},
		{"400 is final", status(400), 1, "answer 400"},
		{"413 is final", status(413), 1, "answer 413"},
		{"garbage", func(call int, w http.ResponseWriter, _ *http.Request) bool {
			if call > 2 {
				return false
			}
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return true
			}
			fmt.Fprint(conn, "\x00\xff this is no HTTP\r\n\r\n")
			conn.Close()
			return true
		}, 3, ""},
		{"broken answer", func(call int, w http.ResponseWriter, _ *http.Request) bool {
			if call == 1 {
				w.Header().Set("Content-Length", "100")
				fmt.Fprint(w, "half")
			}
			return call == 1
		}, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newReceiver(t)
			in.answer = c.answer
			r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
			r.put(t, 1, det("r1", "ann", 0))
			r.idle(t)
			in.mu.Lock()
			calls := in.calls
			in.mu.Unlock()
			if calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
			if got := len(in.messages(t)); (c.dead == "") != (got == 1) {
				t.Errorf("%d messages", got)
			}
			dead, _ := os.ReadFile(r.deadPath())
			if (c.dead == "") != (len(dead) == 0) || !strings.Contains(string(dead), c.dead) {
				t.Errorf("dead letters: %s", dead)
			}
		})
	}
}

// TestRedirect: they are not followed, and the log says so.
func TestRedirect(t *testing.T) {
	in, elsewhere := newReceiver(t), newReceiver(t)
	in.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		return true
	}
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	r.drain = 0
	r.put(t, 1, det("r1", "ann", 0))
	r.look(false)
	until(t, "the log names the redirect", func() bool { return strings.Contains(r.logged(), "redirects are not followed") })
	if len(elsewhere.messages(t)) != 0 {
		t.Error("a redirect was followed")
	}
}

// TestRetryAfter: nothing is sent before the receiver said so.
func TestRetryAfter(t *testing.T) {
	in := newReceiver(t)
	in.answer = func(call int, w http.ResponseWriter, _ *http.Request) bool {
		if call == 1 {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return call == 1
	}
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	r.put(t, 1, det("r1", "ann", 0))
	r.look(false)
	until(t, "the first call is settled", func() bool {
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		return r.targets[0].retried == 1
	})
	r.put(t, 2, det("r2", "ann", 0))
	r.pass(29 * time.Second)
	r.look(false)
	time.Sleep(30 * time.Millisecond)
	if n := len(in.messages(t)); n != 0 {
		t.Fatalf("%d messages before Retry-After", n)
	}
	r.pass(time.Second)
	r.idle(t)
	if n := len(in.messages(t)); n != 2 {
		t.Errorf("%d messages", n)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "99999999": time.Hour, "Thu, 01 Jan 2026 00:00:09 GMT": 9 * time.Second, "Thu, 01 Jan 2015 00:00:09 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", header, got, want)
		}
	}
}

// TestDown: a receiver that is down for an hour gets everything that matters
// after it; one that is down for longer than give_up_after leaves dead letters.
// A second target is not held up, and neither is Write.
func TestDown(t *testing.T) {
	in, good := newReceiver(t), newReceiver(t)
	down := func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(502); return true }
	in.answer = down
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL), "other": webhook(good.URL)})
	cfg.GroupInterval, cfg.ResolveAfter, cfg.GiveUpAfter = time.Minute, 24*time.Hour, 2*time.Hour
	r := opened(t, cfg)
	for n := range 60 {
		r.put(t, n, det("r1", "ann", n))
		r.look(false)
		r.pass(time.Minute)
	}
	r.look(false)
	until(t, "the other target has all", func() bool {
		ms := good.messages(t)
		return len(ms) > 0 && ms[len(ms)-1].Count == 60
	})
	if n := len(in.messages(t)); n != 0 {
		t.Fatalf("%d messages while it is down", n)
	}
	in.setAnswer(nil)
	r.idle(t)
	// Updates that waited were replaced by newer ones: not sixty, but two or,
	// where one was under way when a newer came, a few more.
	ms := in.messages(t)
	if len(ms) < 2 || len(ms) > 12 || ms[0].Status != "firing" || ms[len(ms)-1].Count != 60 {
		t.Errorf("after the hour it got\n%s", story(ms))
	}
	in.setAnswer(down)
	r.put(t, 100, det("r2", "ann", 61))
	r.look(false)
	until(t, "one attempt", func() bool { return strings.Count(r.logged(), "not delivered") >= 2 })
	r.pass(cfg.GiveUpAfter + time.Second)
	r.idleWithDead(t)
	dead, _ := os.ReadFile(r.deadPath())
	if !strings.Contains(string(dead), `"target":"hook"`) || !strings.Contains(r.logged(), "became a dead letter") {
		t.Errorf("dead letters: %s", dead)
	}
}

// idleWithDead waits for the outbox to be empty by delivery or by giving up.
func (r *rig) idleWithDead(t testing.TB) {
	t.Helper()
	until(t, "the outbox is empty", func() bool {
		r.look(false)
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		return len(r.st.byID) == 0
	})
}

// TestSlow: a receiver that hangs holds up neither Write nor the other target.
func TestSlow(t *testing.T) {
	good := newReceiver(t)
	hang := make(chan struct{})
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { <-hang }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { once.Do(func() { close(hang) }) })
	r := opened(t, testConfig(t, map[string]Target{"a": webhook(srv.URL), "b": webhook(good.URL)}))
	r.drain = 0
	for n := range 50 {
		r.put(t, n, det(fmt.Sprint("r", n), "ann", n))
		r.look(false)
	}
	until(t, "the other target has all", func() bool { return len(good.messages(t)) == 50 })
}

// TestQueueBound: the oldest become dead letters when too many wait.
func TestQueueBound(t *testing.T) {
	in := newReceiver(t)
	in.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.MaxQueue = 10
	r := opened(t, cfg)
	r.drain = 0
	for n := range 40 {
		r.put(t, n, det(fmt.Sprint("r", n), "ann", n))
	}
	r.look(false)
	r.Sink.mu.Lock()
	left := len(r.st.byID)
	r.Sink.mu.Unlock()
	dead, _ := os.ReadFile(r.deadPath())
	if left != 10 || bytes.Count(dead, []byte("\n")) != 30 {
		t.Errorf("%d wait, %d dead letters", left, bytes.Count(dead, []byte("\n")))
	}
}

// TestPrivate: an address is refused when it is dialled, whatever its name.
func TestPrivate(t *testing.T) {
	in := newReceiver(t)
	target := webhook(strings.Replace(in.URL, "127.0.0.1", "localhost", 1))
	target.AllowPrivate = false
	r := opened(t, testConfig(t, map[string]Target{"hook": target}))
	r.drain = 0
	r.put(t, 1, det("r1", "ann", 0))
	r.look(false)
	until(t, "the log says why", func() bool { return strings.Contains(r.logged(), "private or loopback") })
	if in.calls != 0 {
		t.Error("the address was called")
	}
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.0.0.1": false, "172.16.9.9": false, "192.168.1.1": false,
		"169.254.169.254": false, "0.0.0.0": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "::1": false,
		"fe80::1": false, "fd00::1": false, "::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::": false, "ff02::1": false,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("public(%s) = %v", addr, got)
		}
	}
	bad := webhook("http://169.254.169.254/x?key=hidden")
	bad.AllowPrivate = false
	cfg := testConfig(t, map[string]Target{"hook": bad})
	if err := cfg.Validate(); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}

const hostile = "<!everyone> <@U1> &amp; *bold* `code` [[x]] <script>alert(1)</script> zorvath \u202egnp.exe\u202c \x00\x1b[2J {{.Secret}} 'quote\\ \u200b"

// TestTargets sends a hostile post to a faithful fake of each target, whole
// life, and looks at what came.
func TestTargets(t *testing.T) {
	type call struct {
		path, body string
		header     http.Header
	}
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		target func(url string) Target
		check  func(t *testing.T, calls []call)
	}{
		{"webhook", func(http.ResponseWriter) {}, func(url string) Target {
			return Target{Webhook: &Webhook{URL: pipeline.Secret(url), Secret: "s3cret-key", Token: "t0ken-abc"}}
		}, func(t *testing.T, calls []call) {
			for _, c := range calls {
				sig := c.header.Get(HeaderSignature)
				var unix int64
				if _, err := fmt.Sscanf(sig, "t=%d,", &unix); err != nil || Sign("s3cret-key", time.Unix(unix, 0), []byte(c.body)) != sig {
					t.Errorf("signature %q is not that of the body", sig)
				}
				if Sign("other", time.Unix(unix, 0), []byte(c.body)) == sig || c.header.Get("Authorization") != "Bearer t0ken-abc" {
					t.Errorf("got %v", c.header)
				}
			}
		}},
		{"alertmanager", func(http.ResponseWriter) {}, func(url string) Target {
			return Target{Alertmanager: &Alertmanager{URL: pipeline.Secret(url + "/am/")}}
		}, func(t *testing.T, calls []call) {
			var labels []string
			for i, c := range calls {
				var alerts []amAlert
				if err := json.Unmarshal([]byte(c.body), &alerts); err != nil || len(alerts) != 1 || c.path != "/am/api/v2/alerts" {
					t.Fatalf("%s: %s: %v", c.path, c.body, err)
				}
				a := alerts[0]
				labels = append(labels, fmt.Sprint(a.Labels))
				if labels[i] != labels[0] || a.Labels["alertname"] != "r1" || a.StartsAt.After(a.EndsAt) || a.Annotations["sql"] == "" {
					t.Errorf("got %+v", a)
				}
			}
		}},
		{"slack", func(w http.ResponseWriter) { fmt.Fprint(w, "ok") }, func(url string) Target {
			return Target{Slack: &Slack{URL: pipeline.Secret(url + "/services/hush")}}
		}, func(t *testing.T, calls []call) {
			for _, c := range calls {
				var m slackMessage
				if err := json.Unmarshal([]byte(c.body), &m); err != nil || len(m.Blocks) != 2 {
					t.Fatalf("%s: %v", c.body, err)
				}
				if h := m.Blocks[0].Text; strings.ContainsAny(m.Text+h.Text, "<>") || h.Type != "plain_text" || len(h.Text) > 150 {
					t.Errorf("header %q, text %q", h.Text, m.Text)
				}
				marked := false
				for _, sec := range m.Blocks[1].Elements {
					for _, e := range sec.Elements {
						marked = marked || (e.Style != nil && e.Style.Bold && e.Text == "zorvath")
						if e.Type != "text" || e.Text == "" {
							t.Errorf("element %+v", e)
						}
					}
				}
				if !marked {
					t.Errorf("the match is not marked: %s", c.body)
				}
			}
		}},
		{"pagerduty", func(w http.ResponseWriter) { w.WriteHeader(202); fmt.Fprint(w, `{"status":"success"}`) }, func(url string) Target {
			return Target{PagerDuty: &PagerDuty{RoutingKey: "r0uting", URL: url}}
		}, func(t *testing.T, calls []call) {
			var dedup any
			for i, c := range calls {
				var e map[string]any
				if err := json.Unmarshal([]byte(c.body), &e); err != nil {
					t.Fatal(err)
				}
				want := "trigger"
				if i == len(calls)-1 {
					want = "resolve"
				}
				if i == 0 {
					dedup = e["dedup_key"]
				}
				if e["event_action"] != want || e["dedup_key"] != dedup || e["routing_key"] != "r0uting" {
					t.Errorf("event %d: %s", i, c.body)
				}
				if p, ok := e["payload"].(map[string]any); ok && (p["severity"] != "error" || len(p["summary"].(string)) > 1024) {
					t.Errorf("payload %v", p)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var calls []call
			var url string
			first := true
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				if first { // an answer that tells everything it was sent
					first = false
					w.WriteHeader(500)
					fmt.Fprintf(w, "%s%s %s", url, r.URL.Path, r.Header.Get("Authorization"))
					return
				}
				calls = append(calls, call{r.URL.Path, string(body), r.Header})
				c.answer(w)
			}))
			t.Cleanup(srv.Close)
			url = srv.URL
			target := c.target(srv.URL)
			target.AllowPrivate, target.Timeout, target.MinSeverity = true, 5*time.Second, "info"
			cfg := testConfig(t, map[string]Target{"it": target})
			cfg.By = []string{"rule_id", "author_id"}
			r := opened(t, cfg)
			at := uint32(strings.Index(hostile, "zorvath"))
			text := hostile + strings.Repeat(" long", 20000)
			for n := range 2 {
				r.put(t, n, det("r1", hostile, n, "post_id", hostile, "text", text, "spans.start", []uint32{at, 999999}, "spans.end", []uint32{at + 7, 9999999},
					"labels", []string{hostile}))
				r.idle(t)
				r.pass(cfg.GroupInterval)
			}
			r.pass(cfg.ResolveAfter)
			r.idle(t)
			mu.Lock()
			defer mu.Unlock()
			if len(calls) != 3 {
				t.Fatalf("%d calls", len(calls))
			}
			for _, c := range calls {
				if strings.ContainsAny(c.body, "\u202e\u202c\u200b\x00\x1b<>") || len(c.body) > 40000 {
					t.Errorf("%d bytes: %.3000s", len(c.body), c.body)
				}
			}
			c.check(t, calls)
			for _, secret := range r.targets[0].secrets {
				if secret != "" && strings.Contains(r.logged(), secret) {
					t.Errorf("a secret is in the log: %s", r.logged())
				}
			}
		})
	}
}

func TestPieces(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		text       string
		start, end []uint32
		want       string
	}{
		{"", nil, nil, ""},
		{"plain", nil, nil, "plain"},
		{"a bad word", []uint32{2}, []uint32{5}, "a [bad] word"},
		{"a bad word", []uint32{6, 2}, []uint32{10, 5}, "a [bad] [word]"},
		{"abcdef", []uint32{0, 2}, []uint32{4, 6}, "[abcd][ef]"},
		{"abcdef", []uint32{0, 1, 4}, []uint32{6, 2, 5}, "[abcdef]"},
		{"éa", []uint32{1, 0, 5, 2}, []uint32{2, 9, 6, 2}, "éa"},
		{long + "bad" + long + long, []uint32{300}, []uint32{303}, "…" + long[:120] + "[bad]" + long[:277] + "…"},
		{"a\u202eb", []uint32{1}, []uint32{4}, `a[\u{202e}]b`},
	} {
		var b strings.Builder
		for _, p := range pieces(c.text, c.start, c.end) {
			if p.Match {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		if b.String() != c.want {
			t.Errorf("%q %v %v: got %q, want %q", c.text, c.start, c.end, b.String(), c.want)
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("a bad word", uint32(2), uint32(5), uint32(0), uint32(3))
	f.Add(hostile, uint32(1), uint32(2), uint32(400), uint32(900))
	f.Fuzz(func(t *testing.T, text string, a, b, c, d uint32) {
		text = strings.ToValidUTF8(text, "?") // as columns are
		n := 0
		for _, p := range pieces(text, []uint32{a, c}, []uint32{b, d}) {
			n += len(p.Text)
			if p.Text == "" || visible.Text(p.Text) != p.Text {
				t.Errorf("piece %q", p.Text)
			}
		}
		if n > 12*maxText {
			t.Errorf("%d bytes", n)
		}
	})
}

func FuzzRecord(f *testing.F) {
	line, _ := appendRecord(nil, record{Keys: []string{"k"}, Alerts: []*alert{{ID: "x"}}, Add: []*delivery{{ID: "y", Msg: &Message{}}}})
	f.Add(line)
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if rec, ok := parseRecord(line); ok {
			again, err := appendRecord(nil, rec)
			if _, ok := parseRecord(again); err != nil || !ok {
				t.Errorf("%q does not come back: %v", again, err)
			}
		}
	})
}

func TestEstimate(t *testing.T) {
	var sketch []uint64
	for i := range 10000 {
		sketch = addAuthor(sketch, fmt.Sprintf("author %d", i%5000))
		if i == 59 {
			if n, sure := estimate(sketch); n != 60 || !sure {
				t.Errorf("60 authors: %d %v", n, sure)
			}
		}
	}
	if n, sure := estimate(sketch); sure || n < 3000 || n > 7000 {
		t.Errorf("5000 authors: %d %v", n, sure)
	}
}
