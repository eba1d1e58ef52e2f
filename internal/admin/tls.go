package admin

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// maxPEM bounds a file of certificates or keys.
const maxPEM = 1 << 20

// look is how often, at the most, the files are looked at. It happens when
// somebody connects, so an idle server reads nothing.
const look = time.Second

// certificates gives the certificate that the files hold now. When they are
// changed they are read again; what can not be used is told once, and what was
// in use stays.
type certificates struct {
	cert, key, ca string
	log           *slog.Logger

	mu     sync.Mutex
	looked time.Time
	held   [3][]byte // the files' contents as they were read last
	config *tls.Config
}

// newCertificates reads the files.
func newCertificates(cert, key, ca string, log *slog.Logger) (*certificates, error) {
	c := &certificates{cert: cert, key: key, ca: ca, log: log, looked: time.Now()}
	held, err := c.read()
	if err != nil {
		return nil, err
	}
	c.held = held
	c.config, err = c.parse(held)
	return c, err
}

// server is the config of the listener.
func (c *certificates) server() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}
}

// current returns the config of one connection.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < look {
		return c.config
	}
	c.looked = time.Now()
	held, err := c.read()
	if err == nil && same(held, c.held) {
		return c.config
	}
	var next *tls.Config
	if err == nil {
		next, err = c.parse(held)
	}
	if err != nil {
		if !same(held, c.held) {
			c.log.Error("admin: the changed certificate can not be used; the one before stays", "error", err)
		}
		c.held = held
		return c.config
	}
	c.held, c.config = held, next
	c.log.Info("admin: the changed certificate is in use")
	return next
}

func same(a, b [3][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// read returns the contents of the files; none of the third without a name.
func (c *certificates) read() (held [3][]byte, err error) {
	for i, f := range []struct{ key, path string }{{"cert", c.cert}, {"key", c.key}, {"client_ca", c.ca}} {
		if f.path == "" {
			continue
		}
		if held[i], err = readPEM(f.path); err != nil {
			return held, fmt.Errorf("admin.tls.%s: %w", f.key, err)
		}
	}
	return held, nil
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(data) > maxPEM {
		err = fmt.Errorf("%s has more than %d bytes", path, maxPEM)
	}
	return data, err
}

func (c *certificates) parse(held [3][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(held[0], held[1])
	if err != nil {
		return nil, fmt.Errorf("admin.tls: %s and %s: %w", c.cert, c.key, err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if c.ca != "" {
		out.ClientCAs = x509.NewCertPool()
		if !out.ClientCAs.AppendCertsFromPEM(held[2]) {
			return nil, fmt.Errorf("admin.tls.client_ca: %s holds no certificate in PEM", c.ca)
		}
		out.ClientAuth = tls.VerifyClientCertIfGiven // probes have none; access.guard asks for it
	}
	return out, nil
}
