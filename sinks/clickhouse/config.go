package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// Config is the sink's configuration: an embedded store or a server, one of
// the two.
type Config struct {
	Embedded    Embedded          `koanf:"embedded" doc:"keep the data in a folder, with an engine that this process starts; or give dsn"`
	DSN         pipeline.Secret   `koanf:"dsn" doc:"a server's address: clickhouse://user:password@host:9000/database, http://host:8123 or https://host:8443"`
	Database    string            `koanf:"database" doc:"database of the tables, created if it is not there; default: the dsn's, else sluice"`
	TLS         TLS               `koanf:"tls" doc:"certificates for a dsn with TLS"`
	Retention   time.Duration     `koanf:"retention" doc:"how long rows are kept after the post's created_at, such as 720h; 0 keeps them"`
	Compression string            `koanf:"compression" doc:"compression on the wire: none, lz4 or zstd; none is best on one machine"`
	Rollups     bool              `koanf:"rollups" doc:"keep posts_by_minute, posts_by_hour, detections_by_minute and detections_by_hour up to date; without, inserts cost a third to a half less"`
	TextIndex   bool              `koanf:"text_index" doc:"index the words of posts.text for search (ClickHouse 26.2 or later); merges build it, at about the cost of storing the rows"`
	Columns     map[string]string `koanf:"columns" doc:"ClickHouse types of columns that the pipeline adds to posts, such as LowCardinality(String)"`
	Timeout     time.Duration     `koanf:"timeout" doc:"longest time for one insert; after it the epoch is written again"`
}

// Embedded configures the engine that the sink starts itself.
type Embedded struct {
	Path               string            `koanf:"path" doc:"folder of the data; one process at a time can open it"`
	Listen             string            `koanf:"listen" doc:"address of its HTTP interface; port 0 takes a free one"`
	BackgroundPoolSize int               `koanf:"background_pool_size" doc:"threads that merge in the background; 0 leaves it to the engine"`
	MaxMemory          pipeline.ByteSize `koanf:"max_memory" doc:"memory that the engine may use, such as 4GiB; 0 leaves it to the engine"`
	Fsync              bool              `koanf:"fsync" doc:"make each epoch survive a power failure, not only a crash; slower"`

	// child changes how the engine's process is started; tests set it.
	child func(*embedded.Options)
}

// TLS configures the connection to a server.
type TLS struct {
	Enabled    bool   `koanf:"enabled" doc:"use TLS with a clickhouse:// dsn; https:// always does"`
	CA         string `koanf:"ca" doc:"PEM file of the authorities that sign the server's certificate; default: the system's"`
	Cert       string `koanf:"cert" doc:"PEM file of the client's certificate"`
	Key        string `koanf:"key" doc:"PEM file of the client's key"`
	ServerName string `koanf:"server_name" doc:"name that the server's certificate must have; default: the host of the dsn"`
	SkipVerify bool   `koanf:"insecure_skip_verify" doc:"accept any certificate: for tests only"`
}

// DefaultDatabase is used when neither the config nor the DSN names one.
const DefaultDatabase = "sluice"

// Defaults returns the configuration before a user's file is read over it.
func Defaults() Config {
	return Config{
		Embedded:    Embedded{Listen: "127.0.0.1:0"},
		Compression: "none",
		Rollups:     true,
		Timeout:     2 * time.Minute,
	}
}

// Resolve returns the config with its relative paths starting at dir.
func (c Config) Resolve(dir string) Config {
	for _, p := range []*string{&c.Embedded.Path, &c.TLS.CA, &c.TLS.Cert, &c.TLS.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c
}

// Validate checks the fields and how they fit together.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	switch {
	case c.Embedded.Path == "" && c.DSN == "":
		fail("", "no store is given: write embedded: { path: ./data } or dsn: clickhouse://host:9000")
	case c.Embedded.Path != "" && c.DSN != "":
		fail("dsn", "embedded and dsn are both given: keep the one that the data is in")
	case c.DSN != "":
		c.validateDSN(fail)
	default:
		c.validateEmbedded(fail)
	}
	if c.Database != "" {
		if err := checkDatabase(c.Database); err != nil {
			fail("database", "%w", err)
		}
	}
	if c.Retention < 0 || (c.Retention > 0 && c.Retention < time.Minute) {
		fail("retention", "%s: write at least 1m, or 0 to keep everything", c.Retention)
	}
	if c.Timeout < time.Second {
		fail("timeout", "%s: write at least 1s", c.Timeout)
	}
	switch c.Compression {
	case "none", "lz4", "zstd":
	default:
		fail("compression", "%q: write none, lz4 or zstd", c.Compression)
	}
	for name, t := range c.Columns {
		if err := checkColumnType(name, t); err != nil {
			fail("columns."+name, "%w", err)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateEmbedded(fail func(path, format string, args ...any)) {
	e := c.Embedded
	if _, _, err := net.SplitHostPort(e.Listen); err != nil {
		fail("embedded.listen", "%q: write host:port, such as 127.0.0.1:8123", e.Listen)
	}
	if e.BackgroundPoolSize < 0 || e.BackgroundPoolSize > 256 {
		fail("embedded.background_pool_size", "%d: write 0 to 256", e.BackgroundPoolSize)
	}
	if e.MaxMemory < 0 || (e.MaxMemory > 0 && e.MaxMemory < 256<<20) {
		fail("embedded.max_memory", "%s: the engine needs at least 256MiB; 0 sets no limit", e.MaxMemory)
	}
	if c.TLS != (TLS{}) {
		fail("tls", "the embedded store is reached on this machine, without TLS: leave tls out, or give a dsn")
	}
}

func (c *Config) validateDSN(fail func(path, format string, args ...any)) {
	opts, err := c.parseDSN()
	if err != nil {
		fail("dsn", "%w", err)
		return
	}
	if db := opts.Auth.Database; db != "" {
		if err := checkDatabase(db); err != nil {
			fail("dsn", "%w", err)
		}
		if c.Database != "" && c.Database != db {
			fail("database", "%q, but the dsn names the database %q: keep one of them", c.Database, db)
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fail("tls", "cert and key belong together: give both or none")
	}
	if c.TLS != (TLS{}) && opts.TLS == nil && !c.TLS.Enabled {
		fail("tls", "the dsn does not use TLS: write https://, or tls: { enabled: true } with clickhouse://")
	}
}

// parseDSN reads the DSN. The error never holds any of it.
func (c *Config) parseDSN() (*clickhouse.Options, error) {
	dsn := c.DSN.Reveal()
	scheme, _, _ := strings.Cut(dsn, "://")
	switch scheme {
	case "clickhouse", "tcp", "http":
	case "https":
		// The driver wants TLS to be said twice.
		if !strings.Contains(dsn, "secure=") {
			sep := "?"
			if strings.Contains(dsn, "?") {
				sep = "&"
			}
			dsn += sep + "secure=true"
		}
	default:
		return nil, errors.New("not an address of a ClickHouse server: write clickhouse://user:password@host:9000/database, http:// or https://")
	}
	opts, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("not an address of a ClickHouse server: write clickhouse://user:password@host:9000/database, " +
			"with the user and the password URL-encoded (details are hidden since they may hold the password)")
	}
	return opts, nil
}

// database returns the name of the database of the tables.
func (c *Config) database() string {
	if c.Database != "" {
		return c.Database
	}
	if c.DSN != "" {
		if opts, err := c.parseDSN(); err == nil && opts.Auth.Database != "" {
			return opts.Auth.Database
		}
	}
	return DefaultDatabase
}

func checkDatabase(name string) error {
	ok := len(name) <= 64 && name != ""
	for i := range len(name) {
		c := name[i]
		ok = ok && (c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || i > 0 && '0' <= c && c <= '9')
	}
	if !ok {
		return fmt.Errorf("database %q: write up to 64 letters, digits and underscores, not beginning with a digit", name)
	}
	return nil
}

// checkColumnType accepts what can only be a type: the text goes into an
// ALTER TABLE.
func checkColumnType(name, t string) error {
	if err := checkColumnName(name); err != nil {
		return err
	}
	ok := t != "" && len(t) <= 128
	for i := range len(t) {
		c := t[i]
		ok = ok && ('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("()', _/+-", c) >= 0)
	}
	if !ok {
		return fmt.Errorf("%q is not a ClickHouse type such as LowCardinality(String)", t)
	}
	return nil
}
