package alert

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// smtpServer is a fake mail server that is strict: RFC 5321's order of commands
// and bounds of lines, no bare line feeds, no eight-bit headers, no login and no
// mail before the connection is encrypted where it offers that.
type smtpServer struct {
	listener net.Listener
	tls      *tls.Config // nil: nothing is encrypted
	implicit bool        // from the first byte
	pool     *x509.CertPool
	user     string // "" nobody need log in

	mu     sync.Mutex
	reply  func(verb, line string) string // "" goes on as usual; "drop" closes the connection
	mails  []*letter
	ids    map[string]int // deliveries by Message-ID
	breach string
}

// letter is a mail that was taken.
type letter struct {
	from string
	to   []string
	raw  string
	*mail.Message
	secure bool
	login  string
}

func newSMTP(t testing.TB, encrypted, implicit bool) *smtpServer {
	t.Helper()
	s := &smtpServer{ids: map[string]int{}, implicit: implicit}
	if encrypted {
		s.certify(t)
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() { s.listener.Close(); open.Wait() })
	return s
}

func (s *smtpServer) certify(t testing.TB) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.pool = x509.NewCertPool()
	s.pool.AddCert(parsed)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func (s *smtpServer) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *smtpServer) setReply(f func(verb, line string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = f
}

func (s *smtpServer) answer(verb, line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply == nil {
		return ""
	}
	return s.reply(verb, line)
}

func (s *smtpServer) letters(t testing.TB) []*letter {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.breach != "" {
		t.Fatal(s.breach)
	}
	return append([]*letter(nil), s.mails...)
}

// talk is one connection.
type talk struct {
	*smtpServer
	conn           net.Conn
	in             *bufio.Reader
	hello, secure  bool
	login          string
	from           string
	to             []string
	begun, offered bool
}

func (s *smtpServer) serve(c net.Conn) {
	k := &talk{smtpServer: s, conn: c, offered: s.tls != nil && !s.implicit}
	if s.implicit {
		k.conn, k.secure = tls.Server(c, s.tls), true
	}
	k.in = bufio.NewReader(k.conn)
	if a := s.answer("CONNECT", ""); a == "drop" {
		return
	} else if a != "" {
		k.say(a)
		return
	}
	k.say("220 mail.example ESMTP")
	for {
		line, ok := k.line()
		if !ok {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch a := s.answer(verb, line); {
		case a == "drop":
			return
		case a != "":
			k.say(a)
			if strings.HasPrefix(a, "421") {
				return
			}
		case !k.command(verb, line):
			return
		}
	}
}

func (k *talk) say(s string) { fmt.Fprintf(k.conn, "%s\r\n", s) }

func (k *talk) line() (string, bool) {
	line, err := k.in.ReadString('\n')
	if err != nil {
		return "", false
	}
	if !strings.HasSuffix(line, "\r\n") || len(line) > 512 {
		k.broken("a command line of %d bytes: %.80q", len(line), line)
	}
	return strings.TrimSuffix(line, "\r\n"), true
}

func (k *talk) broken(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.breach = "SMTP: " + fmt.Sprintf(format, args...)
}

func (k *talk) command(verb, line string) bool {
	switch verb {
	case "EHLO":
		k.hello = true
		if k.offered && !k.secure {
			k.say("250-mail.example\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS")
		} else {
			k.say("250-mail.example\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN")
		}
	case "STARTTLS":
		k.say("220 go on")
		k.conn = tls.Server(k.conn, k.tls)
		k.in, k.secure, k.hello = bufio.NewReader(k.conn), true, false
	case "AUTH":
		k.auth(line)
	case "MAIL":
		switch {
		case !k.hello || k.begun:
			k.say("503 5.5.1 bad sequence")
		case k.offered && !k.secure:
			k.say("530 5.7.0 must issue STARTTLS first")
		case k.user != "" && k.login == "":
			k.say("530 5.7.0 authentication required")
		default:
			k.from, k.to, k.begun = line, nil, true
			k.say("250 2.1.0 ok")
		}
	case "RCPT":
		if !k.begun {
			k.say("503 5.5.1 bad sequence")
			return true
		}
		k.to = append(k.to, line)
		k.say("250 2.1.5 ok")
	case "DATA":
		if len(k.to) == 0 {
			k.say("503 5.5.1 no valid recipients")
			return true
		}
		k.say("354 end with .")
		return k.data()
	case "RSET", "NOOP":
		k.begun = false
		k.say("250 2.0.0 ok")
	case "QUIT":
		k.say("221 2.0.0 bye")
		return false
	default:
		k.say("500 5.5.2 what?")
	}
	return true
}

func (k *talk) auth(line string) {
	parts := strings.Fields(line)
	if k.offered && !k.secure {
		k.broken("a login in the clear")
	}
	var user, password string
	decode := func(s string) string { b, _ := base64.StdEncoding.DecodeString(s); return string(b) }
	switch {
	case len(parts) == 3 && parts[1] == "PLAIN":
		if p := strings.Split(decode(parts[2]), "\x00"); len(p) == 3 {
			user, password = p[1], p[2]
		}
	case parts[1] == "LOGIN":
		k.say("334 " + base64.StdEncoding.EncodeToString([]byte("Username:")))
		l, _ := k.line()
		user = decode(l)
		k.say("334 " + base64.StdEncoding.EncodeToString([]byte("Password:")))
		l, _ = k.line()
		password = decode(l)
	}
	if user == k.user && password == "pass-"+user {
		k.login = user
		k.say("235 2.7.0 welcome")
	} else {
		k.say("535 5.7.8 bad credentials for " + user + " " + password + ": " + line)
	}
}

func (k *talk) data() bool {
	var b bytes.Buffer
	for {
		line, err := k.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 || strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\x00") {
			k.broken("a line of %d bytes, or with a bare CR, LF or NUL: %.80q", len(line), line)
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	k.begun = false
	if a := k.answer("END", ""); a == "drop" {
		return false
	} else if a != "" {
		k.say(a)
		return true
	}
	head, _, _ := strings.Cut(b.String(), "\r\n\r\n")
	for _, c := range []byte(head) {
		if c >= 0x80 {
			k.broken("an eight-bit header: %.200q", head)
			break
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(b.Bytes()))
	if err != nil {
		k.broken("no mail: %v: %.200q", err, head)
		return false
	}
	k.mu.Lock()
	id := m.Header.Get("Message-Id")
	if k.ids[id]++; k.ids[id] == 1 {
		k.mails = append(k.mails, &letter{from: k.from, to: k.to, raw: b.String(), Message: m, secure: k.secure, login: k.login})
	}
	k.mu.Unlock()
	if k.answer("TAKEN", "") == "drop" { // the mail is there, and the sender does not learn it
		return false
	}
	k.say("250 2.0.0 queued")
	return true
}
