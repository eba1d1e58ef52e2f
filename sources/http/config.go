// Package http receives posts: a server takes POST requests of JSON lines or
// arrays, puts them into a spool on disk and answers when they are safe.
//
// A request comes only once, so the spool is what makes the source one that can
// be read again: Read reads the spool, positions are record numbers in it, and
// what is committed is deleted from it.
package http

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Config is the source's config. The fields of decode.Config stand beside it.
type Config struct {
	Listen         string            `koanf:"listen" doc:"Address to listen on, host:port. One that is not on loopback needs tokens and tls."`
	Path           string            `koanf:"path" doc:"Path of the requests."`
	Tokens         []pipeline.Secret `koanf:"tokens" doc:"Bearer tokens, one of which a request must have; none lets everybody in. At least 16 characters each."`
	TLS            TLS               `koanf:"tls" doc:"Certificate and key, for HTTPS."`
	AllowInsecure  bool              `koanf:"allow_insecure" doc:"Allow an address that is not on loopback without tokens or without tls, as behind a proxy that has both."`
	Ack            string            `koanf:"ack" enum:"durable,accepted" doc:"When to answer: durable, when every sink has the records (200); accepted, when they are in the spool (202)."`
	AckTimeout     time.Duration     `koanf:"ack_timeout" min:"10ms" max:"10m" doc:"How long ack durable waits; then the answer is 202, since the records are in the spool."`
	ReadTimeout    time.Duration     `koanf:"read_timeout" min:"100ms" max:"10m" doc:"How long a client may take to send its request."`
	MaxBody        pipeline.ByteSize `koanf:"max_body" doc:"Largest body, after decompression too; 1KiB to 64MiB."`
	MaxPending     pipeline.ByteSize `koanf:"max_pending" doc:"How much may wait in the spool; beyond it requests are answered 503 with Retry-After."`
	MaxConnections int               `koanf:"max_connections" min:"1" max:"65536" doc:"Connections at a time; further ones wait."`
	MaxRequests    int               `koanf:"max_requests" min:"1" max:"4096" doc:"Requests whose bodies are read at a time, each of which may take three times max_body of memory; beyond it they are answered 503."`
	Rate           float64           `koanf:"rate" min:"0" max:"1000000" doc:"Requests a second of each token; beyond it they are answered 429 with Retry-After. 0 for no limit."`
	Burst          int               `koanf:"burst" min:"1" max:"1000000" doc:"Requests of a token that may come at once when there is a rate."`
	Spool          Spool             `koanf:"spool" doc:"The folder in which requests wait."`
	ChunkSize      pipeline.ByteSize `koanf:"chunk_size" doc:"How much is read from the spool and handed on at a time; 4KiB to 16MiB."`
	decode.Config
}

// TLS names the files of HTTPS.
type TLS struct {
	Cert string `koanf:"cert" doc:"PEM file of the certificate and its chain."`
	Key  string `koanf:"key" doc:"PEM file of the key."`
}

// Spool says how requests wait on disk.
type Spool struct {
	Path        string            `koanf:"path" doc:"Folder; it belongs to this pipeline alone."`
	SegmentSize pipeline.ByteSize `koanf:"segment_size" doc:"Size at which a new file is begun; 64KiB to 1GiB."`
	Fsync       bool              `koanf:"fsync" doc:"Survive a loss of power, not only the death of the process."`
	Remember    int               `koanf:"remember" min:"0" max:"1000000" doc:"How many Idempotency-Keys are remembered."`
}

// Defaults returns the config with its default values.
func Defaults() Config {
	return Config{
		Listen: "127.0.0.1:8088", Path: "/posts", Ack: "durable", AckTimeout: 30 * time.Second, ReadTimeout: 30 * time.Second,
		MaxBody: 16 << 20, MaxPending: 1 << 30, MaxConnections: 1024, MaxRequests: 32, Burst: 10,
		Spool:     Spool{Path: "data/spool", SegmentSize: 64 << 20, Fsync: true, Remember: 10_000},
		ChunkSize: 256 << 10, Config: decode.Defaults(),
	}
}

// minToken is the least length of a token: a short one can be guessed.
const minToken = 16

// Validate checks the config. Errors are *pipeline.FieldError, joined.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	size := func(path string, v, lo, hi pipeline.ByteSize) {
		if v < lo || v > hi {
			fail(path, "%s is out of range: use %s to %s", v, lo, hi)
		}
	}
	c.validateAccess(fail)
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, "?#{} ") {
		fail("path", "%q is no path of a URL: write one such as /posts", c.Path)
	}
	if c.Ack != "durable" && c.Ack != "accepted" {
		fail("ack", "%q: use durable or accepted", c.Ack)
	}
	size("max_body", c.MaxBody, 1<<10, 64<<20)
	size("max_pending", c.MaxPending, c.MaxBody, 1<<40)
	size("chunk_size", c.ChunkSize, 4<<10, 16<<20)
	size("spool.segment_size", c.Spool.SegmentSize, 64<<10, 1<<30)
	if c.Spool.Path == "" {
		fail("spool.path", "no folder: name one, such as data/spool")
	}
	errs = append(errs, c.Config.Validate())
	return errors.Join(errs...)
}

// validateAccess checks who can reach the server and with what.
func (c *Config) validateAccess(fail func(path, format string, args ...any)) {
	for i, t := range c.Tokens {
		if len(t.Reveal()) < minToken {
			fail(fmt.Sprintf("tokens.%d", i), "a token of less than %d characters can be guessed: make one with `openssl rand -hex 32`", minToken)
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fail("tls", "a certificate needs its key: set both cert and key")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		fail("listen", "%q is not host:port: %w", c.Listen, err)
		return
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() || c.AllowInsecure {
		return
	}
	if len(c.Tokens) == 0 {
		fail("listen", "%q is not on loopback and there are no tokens, so everybody could post: set tokens, or allow_insecure where something else keeps others out", c.Listen)
	}
	if c.TLS.Cert == "" {
		fail("listen", "%q is not on loopback and there is no tls, so tokens and posts could be read on the way: set tls, or allow_insecure behind a proxy that has it", c.Listen)
	}
}

// Factory describes the source.
func Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{
		Name:    "http",
		Summary: "receive posts by HTTP: JSON lines or arrays, answered when they are safe",
		Doc:     doc,
		Example: "listen: 127.0.0.1:8088\npath: /posts\nformat: plain\nack: durable\n",
	}, Defaults, newPlan)
}

const doc = `Listens for POST requests. The body is either lines of JSON, one record each, or
one JSON array of records; it may be compressed (` + "`Content-Encoding: gzip` or `zstd`" + `).

    source:
      http: { listen: 127.0.0.1:8088, format: plain, tokens: ["${INGEST_TOKEN}"] }

    curl -H "Authorization: Bearer $INGEST_TOKEN" -H "Idempotency-Key: $(uuidgen)" \
      --data-binary @posts.jsonl http://127.0.0.1:8088/posts
    {"records":500}

| answer | what it means | what the client does |
|---|---|---|
| 200 | every sink has the records | |
| 202 | the records are on disk in the spool and will be written, exactly once | |
| 400, 413, 415 | the body is no JSON lines or array, too large, or compressed otherwise; nothing was taken | corrects it |
| 401 | the token is missing or wrong | |
| 422 | the Idempotency-Key was used for another body; nothing was taken | takes a new key |
| 408, 429, 500, 503, 507 | too slow, too many requests, a fault, too much waits, the disk is full; nothing was taken | sends it again later, see Retry-After |

A request without an answer, as when the connection breaks, was taken or not. Sent
again under the same ` + "`Idempotency-Key`" + ` (or ` + "`X-Request-Id`" + `) it is taken once: the
last ` + "`spool.remember`" + ` keys of each token are known, also after a restart. A body is taken
whole or not at all. The records of lines are not looked at before they are
answered: a bad one goes to the rejected stream, as from a file. The elements of an
array must be valid JSON.

Requests wait in the spool, a folder of its own, until they are written, and are
deleted then; what steps with state need to build it again is kept longer. The
folder belongs to the checkpoint: back up, move and delete both together. The
partition is ` + "`requests`" + `, and source_offset is the number of the record.`
