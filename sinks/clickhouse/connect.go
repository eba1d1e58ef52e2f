package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// dialTimeout bounds connecting to a server.
const dialTimeout = 10 * time.Second

// Connect opens a connection to the store that cfg describes (see
// [Config.Resolve] for its relative paths). An embedded store is started, or,
// when readonly and another process of this machine holds it already, reached
// through that process. With readonly the server refuses everything but reads.
// cleanup closes the connection and stops what Connect started; it is called
// once, and is not nil when err is nil.
//
// Errors of the network are retryable; a wrong password is permanent. No error
// shows the password.
func Connect(ctx context.Context, cfg Config, readonly bool) (conn driver.Conn, cleanup func(context.Context) error, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	st, err := openStore(ctx, cfg, readonly, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	conn, _, err = st.connect(ctx, cfg.database())
	if err != nil {
		return nil, nil, errors.Join(err, st.close(ctx))
	}
	return conn, func(ctx context.Context) error {
		return errors.Join(conn.Close(), st.close(ctx))
	}, nil
}

// store is a place to connect to: a server, or an engine that was started.
type store struct {
	options *clickhouse.Options
	name    string                      // host:port or the path, for errors
	stop    func(context.Context) error // nil when nothing was started
	engine  *embedded.Engine            // nil when none was started here
}

func openStore(ctx context.Context, cfg Config, readonly bool, log *slog.Logger) (*store, error) {
	var st *store
	var err error
	if cfg.Embedded.Path != "" {
		st, err = openEmbedded(ctx, cfg.Embedded, readonly, log)
	} else {
		st, err = openDSN(cfg)
	}
	if err != nil {
		return nil, err
	}
	o := st.options
	o.DialTimeout = dialTimeout
	o.MaxOpenConns, o.MaxIdleConns = 4, 2
	// An insert is bounded by its context; this bounds the wait for one read.
	o.ReadTimeout = cfg.Timeout
	o.ClientInfo.Products = append(o.ClientInfo.Products, struct{ Name, Version string }{"sluice", ""})
	if o.Protocol == clickhouse.Native {
		o.Compression = compressionOf(cfg.Compression)
	} else {
		o.Compression = nil // Arrow streams are compressed by ourselves
	}
	if readonly && cfg.DSN != "" {
		if o.Settings == nil {
			o.Settings = clickhouse.Settings{}
		}
		o.Settings["readonly"] = 2 // reads only, but a query may bring settings
	}
	return st, nil
}

func openDSN(cfg Config) (*store, error) {
	opts, err := cfg.parseDSN()
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	if err := applyTLS(opts, cfg.TLS); err != nil {
		return nil, err
	}
	return &store{options: opts, name: opts.Addr[0]}, nil
}

func compressionOf(name string) *clickhouse.Compression {
	switch name {
	case "lz4":
		return &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	case "zstd":
		return &clickhouse.Compression{Method: clickhouse.CompressionZSTD, Level: 1}
	}
	return nil
}

// applyTLS reads the certificates. They are not read through pipeline.Files:
// those keep copies, which a private key must not have.
func applyTLS(opts *clickhouse.Options, cfg TLS) error {
	if cfg == (TLS{}) {
		return nil
	}
	if opts.TLS == nil {
		opts.TLS = &tls.Config{}
	}
	c := opts.TLS
	c.MinVersion = tls.VersionTLS12
	c.InsecureSkipVerify = c.InsecureSkipVerify || cfg.SkipVerify
	if cfg.ServerName != "" {
		c.ServerName = cfg.ServerName
	}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("tls.ca: %s holds no PEM certificate", cfg.CA)
		}
	}
	if cfg.Cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
		if err != nil {
			return fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// connect opens a connection to database ("" is the user's default) and
// returns the server's version.
func (st *store) connect(ctx context.Context, database string) (driver.Conn, version, error) {
	opts := *st.options
	opts.Auth.Database = database
	conn, err := clickhouse.Open(&opts)
	if err != nil {
		return nil, version{}, st.explain(ctx, err)
	}
	v, err := conn.ServerVersion()
	if err == nil {
		err = conn.Ping(ctx)
	}
	if err != nil {
		_ = conn.Close() // the error before is the one to tell
		return nil, version{}, st.explain(ctx, err)
	}
	return conn, version{v.Version.Major, v.Version.Minor}, nil
}

// close stops what openStore started.
func (st *store) close(ctx context.Context) error {
	if st.stop == nil {
		return nil
	}
	return st.stop(ctx)
}

// explain says what a person can do about a connection that failed, without
// the password, and marks what may pass as retryable.
func (st *store) explain(ctx context.Context, err error) error {
	err = redact(err, st.options.Auth.Password)
	user := st.options.Auth.Username
	if user == "" {
		user = "default"
	}
	code, _ := serverCode(err)
	switch code {
	case codeWrongPassword, codeUnknownUser, codeRequiredPassword, codeAuthenticationFailed:
		return fmt.Errorf("clickhouse: %s refuses the user %q (code %d): check the user and the password of the dsn", st.name, user, code)
	}
	var status *clickhouse.HTTPError
	if code == 0 && errors.As(err, &status) && (status.StatusCode == 401 || status.StatusCode == 403) {
		return fmt.Errorf("clickhouse: %s refuses the user %q (HTTP %d): check the user and the password of the dsn", st.name, user, status.StatusCode)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return pipeline.Retryable(fmt.Errorf("clickhouse: the host of %s is not known: %w", st.name, err))
	}
	return classify(ctx, fmt.Errorf("clickhouse: connect to %s: %w", st.name, err))
}
