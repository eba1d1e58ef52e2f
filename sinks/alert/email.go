package alert

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/sluicehq/sluice/internal/visible"
	"github.com/sluicehq/sluice/pipeline"
)

// Email is one or several mailboxes, told by SMTP.
type Email struct {
	Host     string          `koanf:"host" required:"true" doc:"the SMTP server's name, which its certificate must have"`
	Port     int             `koanf:"port" doc:"its port; default: 587, with tls: tls 465, with tls: none 25" min:"1" max:"65535"`
	TLS      string          `koanf:"tls" doc:"starttls: the server must offer it; tls: from the first byte; none: nothing is encrypted, for a relay on the same machine" enum:"starttls,tls,none"`
	Username string          `koanf:"username" doc:"who logs in; none: nobody does"`
	Password pipeline.Secret `koanf:"password" doc:"the password"`
	Auth     string          `koanf:"auth" doc:"how to log in" enum:"plain,login,cram-md5,scram-sha-256"`
	From     string          `koanf:"from" required:"true" doc:"the sender" example:"Sluice <sluice@example.org>"`
	To       []string        `koanf:"to" required:"true" doc:"the mailboxes" example:"[on-call@example.org]"`
	Hello    string          `koanf:"hello" doc:"this machine's name in the greeting; default: its host name"`
}

// SetDefaults is called by the config loader.
func (e *Email) SetDefaults() { e.TLS, e.Auth = "starttls", "plain" }

// maxMailboxes bounds the receivers of one message.
const maxMailboxes = 50

func (e *Email) validate(path string, allowPrivate bool, fail func(path, format string, args ...any)) {
	if e.Host == "" || strings.Trim(e.Host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:_") != "" {
		fail(path+".host", "%q: write the server's name, such as smtp.example.org; the port has a setting of its own", visible.Text(e.Host))
	} else if err := checkHost(e.Host, allowPrivate); err != nil {
		fail(path+".host", "%w", err)
	}
	if strings.Trim(e.Hello, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != "" {
		fail(path+".hello", "%q: write a host name", visible.Text(e.Hello))
	}
	if (e.Username == "") != (e.Password == "") {
		fail(path+".username", "username and password belong together: write both, or none")
	}
	if e.Password != "" && e.TLS == "none" {
		fail(path+".tls", "none with a password would send it in the clear: write starttls or tls")
	}
	if _, err := mailbox(e.From); err != nil {
		fail(path+".from", "%w", err)
	}
	if len(e.To) == 0 || len(e.To) > maxMailboxes {
		fail(path+".to", "%d mailboxes: write 1 to %d", len(e.To), maxMailboxes)
	}
	for i, to := range e.To {
		if _, err := mailbox(to); err != nil {
			fail(fmt.Sprintf("%s.to.%d", path, i), "%w", err)
		}
	}
}

// secrets are what no log may show: the password, and how a login writes it,
// since a server may say again what it was told.
func (e *Email) secrets() []pipeline.Secret {
	if e.Password == "" {
		return nil
	}
	code := func(s string) pipeline.Secret {
		return pipeline.Secret(base64.StdEncoding.EncodeToString([]byte(s)))
	}
	return []pipeline.Secret{code("\x00" + e.Username + "\x00" + e.Password.Reveal()), code(e.Password.Reveal()), e.Password}
}

// mailbox reads an address such as "Name <name@host>" of the config.
func mailbox(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil || visible.Text(s) != s || len(s) > 320 {
		return nil, fmt.Errorf("%q is no mailbox: write name@example.org or Name <name@example.org>", cut(visible.Text(s), 80))
	}
	return a, nil
}

func (e *Email) port() int {
	switch {
	case e.Port != 0:
		return e.Port
	case e.TLS == "tls":
		return 465
	case e.TLS == "none":
		return 25
	}
	return 587
}

// mailer sends the messages of one target, each over a connection of its own.
type mailer struct {
	cfg     *Email
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config
	redact  func(string) string
}

func newMailer(t *target) *mailer {
	e := t.cfg.Email
	return &mailer{
		cfg: e, timeout: t.cfg.Timeout, dial: newDialer(t.cfg).DialContext, redact: t.redact,
		tls: &tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12},
	}
}

// send makes one attempt. The connection ends with ctx and after the timeout:
// go-mail leaves it open after some errors, and looks at ctx for dialling only.
func (s *mailer) send(ctx context.Context, m *Message, now time.Time) *failure {
	msg, err := s.compose(m, now)
	if err != nil {
		return &failure{text: s.redact(err.Error()), final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var raw net.Conn
	defer func() {
		if raw != nil {
			raw.Close()
		}
	}()
	options := append(s.options(), gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := s.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		raw = c
		if s.cfg.TLS != "tls" {
			return c, nil
		}
		secure := tls.Client(c, s.tls)
		return secure, secure.HandshakeContext(ctx)
	}))
	client, err := gomail.NewClient(s.cfg.Host, options...)
	if err != nil {
		return &failure{text: s.redact(err.Error()), reach: true}
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.failed(err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	err = client.SendWithSMTPClient(conn, msg)
	if msg.IsDelivered() {
		_ = conn.Quit() // the message is taken whatever comes of it
		return nil
	}
	return s.failed(err)
}

func (s *mailer) options() []gomail.Option {
	e := s.cfg
	policy := gomail.TLSMandatory
	if e.TLS != "starttls" {
		policy = gomail.NoTLS // tls: the connection is encrypted when go-mail gets it
	}
	options := []gomail.Option{
		gomail.WithPort(e.port()), gomail.WithTimeout(s.timeout), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(s.tls), gomail.WithoutNoop(),
	}
	if e.Hello != "" {
		options = append(options, gomail.WithHELO(e.Hello))
	}
	if e.Password != "" {
		auth := map[string]gomail.SMTPAuthType{
			"plain": gomail.SMTPAuthPlain, "login": gomail.SMTPAuthLogin,
			"cram-md5": gomail.SMTPAuthCramMD5, "scram-sha-256": gomail.SMTPAuthSCRAMSHA256,
		}[e.Auth]
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(e.Username), gomail.WithPassword(e.Password.Reveal()))
	}
	return options
}

// failed tells what an error says of the message. A server that refuses the
// text (5xx to it, RFC 5321, 4.2.1) will never take it; one that refuses the
// login, the sender or a mailbox can be mended, or the config can.
func (s *mailer) failed(err error) *failure {
	f := &failure{text: s.redact(visible.Text(cut(strings.ToValidUTF8(err.Error(), "?"), 300))), reach: true}
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		switch {
		case e.Reason == gomail.ErrSMTPDataClose && e.ErrorCode() >= 500 && e.ErrorCode() < 600:
			f.final, f.reach = true, false
		case e.Reason == gomail.ErrSMTPDataClose && e.ErrorCode() >= 400:
			f.reach = false // of this message
		}
		return f
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code == 421 {
		f.text = "the server is shutting down or busy: " + f.text
	}
	return f
}

// compose writes the mail. Its Message-ID is the message's key, so that mail
// programs and servers see a second delivery as the same; all mails about one
// group refer to one root, so that they are one thread.
func (s *mailer) compose(m *Message, now time.Time) (*gomail.Msg, error) {
	from, err := mailbox(s.cfg.From)
	if err != nil {
		return nil, err
	}
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	if err := errors.Join(msg.From(from.String()), msg.To(s.cfg.To...)); err != nil {
		return nil, err
	}
	msg.Subject(m.subject())
	msg.SetMessageIDWithValue(m.Key + "@" + domain)
	root := "<group." + m.GroupID + "@" + domain + ">"
	msg.SetGenHeader(gomail.HeaderReferences, root)
	msg.SetGenHeader(gomail.HeaderInReplyTo, root)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office replies
	msg.SetGenHeader("X-Sluice-Alert", m.AlertID)
	msg.SetGenHeader("X-Sluice-Status", m.Status)
	msg.SetGenHeader("X-Sluice-Sequence", strconv.Itoa(m.Sequence))
	msg.SetDateWithValue(now)
	html, err := m.html()
	if err != nil {
		return nil, err
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.plain())
	msg.AddAlternativeString(gomail.TypeTextHTML, html)
	return msg, nil
}

// subject is the same in all mails about a group: mail programs put mails with
// different subjects into different threads.
func (m *Message) subject() string {
	s := "[Sluice] " + m.Rule
	if g := m.group(); g != "" {
		s += " (" + g + ")"
	}
	return cut(s, 200)
}

// defang takes addresses their life: mail programs make links of what looks
// like one, and nobody must get to a post's link by a slip of the hand.
func defang(s string) string {
	var b strings.Builder
	word := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= 0x80 || slices.Contains([]byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), s[i]))
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && word(i-1) && word(i+1):
			b.WriteString("[.]")
		case c == '@' && word(i-1) && word(i+1):
			b.WriteString("[@]")
		case c == ':' && (strings.HasPrefix(s[i:], "://") || word(i-1) && word(i+1)):
			b.WriteString("[:]")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
