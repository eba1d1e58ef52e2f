package alert

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// mailTarget is a target that mails to a test's server.
func mailTarget(s *smtpServer, set func(*Email)) Target {
	e := &Email{From: "Sluice <sluice@example.org>", To: []string{"on-call@example.org", "Ann <ann@example.net>"}, Host: "localhost", Port: s.port()}
	e.SetDefaults()
	if s.tls == nil {
		e.TLS = "none"
	}
	if s.implicit {
		e.TLS = "tls"
	}
	if set != nil {
		set(e)
	}
	return Target{Email: e, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"}
}

// openedMail is opened, with the test server's certificate trusted.
func openedMail(t testing.TB, cfg Config, servers ...*smtpServer) *rig {
	t.Helper()
	r := newRig(t, cfg)
	n := 0
	for _, target := range r.targets {
		if target.mail != nil {
			target.mail.tls.RootCAs = servers[n].pool
			n++
		}
	}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// parts returns the mail's text and page.
func (l *letter) parts(t testing.TB) (text, page string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(l.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q: %v", l.Header.Get("Content-Type"), err)
	}
	var out []string
	for r := multipart.NewReader(strings.NewReader(l.body(t)), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Errorf("encoding %q", p.Header.Get("Content-Transfer-Encoding"))
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Header.Get("Content-Type")+"\n"+string(b))
	}
	if len(out) != 2 || !strings.HasPrefix(out[0], "text/plain; charset=UTF-8") || !strings.HasPrefix(out[1], "text/html; charset=UTF-8") {
		t.Fatalf("parts %q", out)
	}
	return out[0], out[1]
}

func (l *letter) body(t testing.TB) string {
	t.Helper()
	_, body, ok := strings.Cut(l.raw, "\r\n\r\n")
	if !ok {
		t.Fatal("no body")
	}
	return body
}

// TestEmail mails an alert's whole life, over each kind of connection.
func TestEmail(t *testing.T) {
	for _, c := range []struct {
		name                string
		encrypted, implicit bool
		auth                string
	}{
		{"relay in the clear", false, false, ""},
		{"STARTTLS", true, false, ""},
		{"STARTTLS and PLAIN", true, false, "plain"},
		{"TLS and LOGIN", true, true, "login"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newSMTP(t, c.encrypted, c.implicit)
			target := mailTarget(in, func(e *Email) {
				if c.auth != "" {
					in.user = "sluice"
					e.Auth, e.Username, e.Password = c.auth, "sluice", "pass-sluice"
				}
			})
			cfg := testConfig(t, map[string]Target{"mail": target})
			r := openedMail(t, cfg, in)
			r.put(t, 1, det("r1", "ann", 0, "spans.start", []uint32{5}, "spans.end", []uint32{12}))
			r.idle(t)
			r.pass(cfg.GroupInterval)
			r.put(t, 2, det("r1", "bob", 5), det("r2", "bob", 5))
			r.idle(t)
			r.pass(cfg.ResolveAfter)
			r.idle(t)
			letters := in.letters(t)
			threads := map[string][]string{}
			for _, l := range letters {
				if l.secure != c.encrypted || (l.login != "") != (c.auth != "") {
					t.Errorf("secure %v, login %q", l.secure, l.login)
				}
				if len(l.to) != 2 || !strings.HasPrefix(l.from, "MAIL FROM:<sluice@example.org>") || l.to[1] != "RCPT TO:<ann@example.net>" {
					t.Errorf("from %q to %q", l.from, l.to)
				}
				root := l.Header.Get("References")
				if root != l.Header.Get("In-Reply-To") || !strings.HasSuffix(root, "@example.org>") || l.Header.Get("Auto-Submitted") != "auto-generated" {
					t.Errorf("headers %v", l.Header)
				}
				threads[root+" "+l.Header.Get("Subject")] = append(threads[root+" "+l.Header.Get("Subject")], l.Header.Get("X-Sluice-Status"))
				text, page := l.parts(t)
				if !strings.Contains(text, "detections, ") || !strings.Contains(page, "<table") {
					t.Errorf("text %s\npage %s", text, page)
				}
			}
			text, page := letters[0].parts(t)
			if !strings.Contains(text, "> post-ann-0 by ann: some [[zorvath]] text") || !strings.Contains(page, "some <mark><b>zorvath</b></mark> text") ||
				!strings.Contains(text, "SELECT created_at") || !strings.HasPrefix(text[strings.IndexByte(text, '\n')+1:], "FIRING high: r1: 1 detections, 1 authors") {
				t.Errorf("text %s\npage %s", text, page)
			}
			if len(letters) != 5 || len(threads) != 2 {
				t.Errorf("%d mails in the threads %v", len(letters), threads)
			}
			for subject, statuses := range threads {
				if want := map[bool]string{true: "firing updated resolved", false: "firing resolved"}[strings.HasSuffix(subject, " r1")]; strings.Join(statuses, " ") != want {
					t.Errorf("%s: %v, want %s", subject, statuses, want)
				}
			}
		})
	}
}

// TestEmailTrouble is what mail servers do wrong: the stated behaviour.
func TestEmailTrouble(t *testing.T) {
	times := func(n int, verb, answer string) func(string, string) string {
		return func(v, _ string) string {
			if v != verb || n == 0 {
				return ""
			}
			n--
			return answer
		}
	}
	for _, c := range []struct {
		name   string
		reply  func(verb, line string) string
		set    func(*Email)
		dead   string
		logged string
		copies int // of the mail that arrived
	}{
		{name: "hangs up", reply: times(2, "CONNECT", "drop"), logged: "EOF"},
		{name: "busy", reply: times(2, "CONNECT", "421 4.3.2 too busy"), logged: "421"},
		{name: "shuts down", reply: times(1, "EHLO", "421 4.3.2 shutting down"), logged: "not delivered"},
		{name: "grey list", reply: times(2, "RCPT", "450 4.7.1 come back"), logged: "come back"},
		{name: "mailbox that will be made", reply: times(2, "RCPT", "550 5.1.1 no such mailbox"), logged: "no such mailbox"},
		{name: "sender refused", reply: times(1, "MAIL", "550 5.7.1 not you"), logged: "not you"},
		{name: "full", reply: times(1, "END", "452 4.3.1 full"), logged: "full"},
		{name: "dies in the data", reply: times(1, "END", "drop"), logged: "not delivered"},
		{name: "text refused", reply: times(9, "END", "554 5.7.1 looks like spam"), dead: "looks like spam"},
		{name: "taken, and not told so", reply: times(1, "TAKEN", "drop"), logged: "not delivered", copies: 2},
		{name: "garbage", reply: times(2, "CONNECT", "\x00\xff what is this\x1b[2J"), logged: "not delivered"},
		{name: "no QUIT", reply: times(9, "QUIT", "drop")},
		{name: "no RSET", reply: times(9, "RSET", "drop")},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newSMTP(t, false, false)
			in.setReply(c.reply)
			r := openedMail(t, testConfig(t, map[string]Target{"mail": mailTarget(in, c.set)}), in)
			r.put(t, 1, det("r1", "ann", 0))
			r.idle(t)
			got, want := in.letters(t), 1
			if c.dead != "" {
				want = 0
			}
			if len(got) != want {
				t.Fatalf("%d mails", len(got))
			}
			if want == 1 && in.ids[got[0].Header.Get("Message-Id")] != max(c.copies, 1) {
				t.Errorf("deliveries %v", in.ids)
			}
			dead, _ := os.ReadFile(r.deadPath())
			if (c.dead == "") != (len(dead) == 0) || !strings.Contains(string(dead), c.dead) {
				t.Errorf("dead letters: %s", dead)
			}
			if log := r.logged(); !strings.Contains(log, c.logged) || strings.ContainsAny(log, "\x1b\x00") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// TestEmailRefuses: what must not be sent is not.
func TestEmailRefuses(t *testing.T) {
	encrypted := func(t *testing.T) *smtpServer { s := newSMTP(t, true, false); s.user = "sluice"; return s }
	for _, c := range []struct {
		name   string
		server func(t *testing.T) *smtpServer
		set    func(*Target)
		trust  bool
		want   string
	}{
		{"no STARTTLS", func(t *testing.T) *smtpServer { return newSMTP(t, false, false) }, func(g *Target) { g.Email.TLS = "starttls" }, true, "STARTTLS"},
		{"unknown certificate", encrypted, nil, false, "certificate"},
		{"another name", encrypted, func(g *Target) { g.Email.Host = "127.0.0.1" }, true, "certificate"},
		{"wrong password", encrypted, func(g *Target) { g.Email.Username, g.Email.Password = "sluice", "pass-wr0ng" }, true, "bad credentials for sluice [secret]: AUTH PLAIN [secret]"},
		{"private address", encrypted, func(g *Target) { g.AllowPrivate = false }, true, "private or loopback"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := c.server(t)
			target := mailTarget(in, nil)
			if c.set != nil {
				c.set(&target)
			}
			cfg := testConfig(t, map[string]Target{"mail": target})
			r := newRig(t, cfg)
			if c.trust {
				r.targets[0].mail.tls.RootCAs = in.pool
			}
			r.drain = 0
			if err := r.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer r.Close(t.Context())
			r.put(t, 1, det("r1", "ann", 0))
			r.look(false)
			until(t, "the log says why", func() bool { return strings.Contains(r.logged(), c.want) })
			if n := len(in.letters(t)); n != 0 || strings.Contains(r.logged(), "wr0ng") {
				t.Errorf("%d mails; log %s", n, r.logged())
			}
		})
	}
}

// TestEmailSlow: a server that hangs holds up nothing, and a stop does not wait
// for it.
func TestEmailSlow(t *testing.T) {
	in, good := newSMTP(t, false, false), newReceiver(t)
	hang := make(chan struct{})
	in.setReply(func(verb, _ string) string {
		if verb == "DATA" {
			<-hang
		}
		return ""
	})
	cfg := testConfig(t, map[string]Target{"mail": mailTarget(in, nil), "hook": webhook(good.URL)})
	r := newRig(t, cfg)
	r.drain = 10 * time.Millisecond
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		r.put(t, n, det(fmt.Sprint("r", n), "ann", n))
		r.look(false)
	}
	until(t, "the other target has all", func() bool { return len(good.messages(t)) == 20 })
	begun := time.Now()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the stop took %s", took)
	}
	close(hang)
}

// TestEmailHostile: nothing of a post is markup, a header, a link or a line of
// its own.
func TestEmailHostile(t *testing.T) {
	nasty := "Bcc: all@example.com\r\nBcc: b@example.com\r\n\r\n.\r\nMAIL FROM:<x@y>\r\n" + hostile + " http://evil.example.com/x?a=1 www.evil.example mailto:a@b.example =?utf-8?q?x?= é\u2066"
	in := newSMTP(t, false, false)
	cfg := testConfig(t, map[string]Target{"mail": mailTarget(in, nil)})
	cfg.By = []string{"rule_id", "author_id", "labels"}
	r := openedMail(t, cfg, in)
	text := nasty + strings.Repeat(" long", 20000)
	at := uint32(strings.Index(nasty, "zorvath"))
	r.put(t, 1, det(nasty, nasty, 0, "post_id", nasty, "owner", nasty, "text", text, "labels", []string{nasty, nasty + "2"}, "spans.start", []uint32{at}, "spans.end", []uint32{at + 7}))
	r.idle(t)
	letters := in.letters(t)
	if len(letters) != 1 {
		t.Fatalf("%d mails", len(letters))
	}
	l := letters[0]
	if len(l.Header["Bcc"]) != 0 || len(l.to) != 2 || len(l.Header["Subject"]) != 1 || len(l.raw) > 60_000 {
		t.Errorf("%d bytes, headers %v", len(l.raw), l.Header)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(l.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, `[Sluice] Bcc: all@example.com\u{d}\nBcc:`) || len(subject) > 200 {
		t.Errorf("subject %q: %v", subject, err)
	}
	plain, page := l.parts(t)
	for _, part := range []string{plain, page} {
		if strings.ContainsAny(part, "\u202e\u202c\u200b\u2066\x00\x1b") || strings.Contains(part, "http://evil") || strings.Contains(part, "evil.example") || strings.Contains(part, "a@b") {
			t.Errorf("something is alive in\n%s", part)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<!everyone") || strings.Contains(page, "<a ") || !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, "<mark><b>zorvath</b></mark>") {
		t.Errorf("page %s", page)
	}
	for line := range strings.SplitSeq(plain, "\n") {
		if strings.HasPrefix(line, "Bcc") || strings.HasPrefix(line, "MAIL") || line == "." {
			t.Errorf("a line of the post's: %q", line)
		}
	}
}

func TestDefang(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"see http://a.example/x.":  "see http[:]//a[.]example/x.",
		"mail a@b.example, at 3.5": "mail a[@]b[.]example, at 3[.]5",
		"mailto:x tel:+1 a: b":     "mailto[:]x tel:+1 a: b",
		"example。com é.fr ...":     "example。com é[.]fr ...",
	} {
		if got := defang(in); got != want {
			t.Errorf("defang(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDefangSQL(t *testing.T) {
	query := "SELECT `a.b` FROM x.y WHERE u = " + sqlText(`it's \ a.example:80 'x@y'`) + " AND n = 1.5"
	want := "SELECT `a.b` FROM x.y WHERE u = 'it\\'s \\\\ a\\x2eexample\\x3a80 \\'x\\x40y\\'' AND n = 1.5"
	if got := defangSQL(query); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEmailConfig: what is wrong is told at once.
func TestEmailConfig(t *testing.T) {
	for want, set := range map[string]func(*Email){
		"email.host":              func(e *Email) { e.Host = "smtp.example.org:25/x" },
		"email.from":              func(e *Email) { e.From = "Sluice" },
		"email.to.1":              func(e *Email) { e.To = []string{"a@example.org", "b@example.org\r\nBcc: c@example.org"} },
		"email.to: 0 mailboxes":   func(e *Email) { e.To = nil },
		"email.username":          func(e *Email) { e.Password = pipeline.Secret("x") },
		"email.tls: none with a":  func(e *Email) { e.TLS, e.Username, e.Password = "none", "a", "b" },
		"email.hello":             func(e *Email) { e.Hello = "a b" },
		"private or loopback one": func(e *Email) { e.Host = "10.0.0.1" },
	} {
		e := &Email{Host: "smtp.example.org", From: "a@example.org", To: []string{"b@example.org"}}
		e.SetDefaults()
		set(e)
		cfg := testConfig(t, map[string]Target{"mail": {Email: e, Timeout: time.Second}})
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	both := testConfig(t, map[string]Target{"x": {Email: &Email{}, Slack: &Slack{URL: "https://a.example"}, Timeout: time.Second}})
	if err := both.Validate(); err == nil || !strings.Contains(err.Error(), "2 receivers") {
		t.Errorf("got %v", err)
	}
}
