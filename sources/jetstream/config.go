// Package jetstream reads Bluesky's Jetstream: the network's events as JSON over
// a websocket.
//
// A connection gives events from a cursor on, for as long as the server's log
// reaches back, and another server stamps the same events with other times. So
// what comes is put into a spool on disk first, each event once, and is read
// from there: a recorded epoch can be run again whatever the servers do.
package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Config is the source's config. The fields of decode.Config stand beside it.
type Config struct {
	URL         string            `koanf:"url" doc:"Address of a server's endpoint, wss://HOST/subscribe."`
	URLs        []string          `koanf:"urls" doc:"Several, of the same network: when one fails the next is taken."`
	Collections []string          `koanf:"collections" doc:"Kinds of records to receive, as app.bsky.feed.post or app.bsky.graph.*; none for all. At most 100."`
	DIDs        []string          `koanf:"dids" doc:"Accounts to receive; none for all. At most 10000."`
	Start       string            `koanf:"start" doc:"Where the first run begins: now, an age such as 1h, a time such as 2026-01-01T00:00:00Z, or a time_us. Later runs go on where the last one stopped."`
	Rewind      time.Duration     `koanf:"rewind" min:"0s" max:"10m" doc:"How far before the last event a new connection begins; events that are there are left out. More than the clocks of the servers differ."`
	Compress    bool              `koanf:"compress" doc:"Receive zstd frames; needs dictionary."`
	Dictionary  string            `koanf:"dictionary" doc:"File of the zstd dictionary that the servers use: zstd_dictionary in Jetstream's repository."`
	IdleTimeout time.Duration     `koanf:"idle_timeout" min:"100ms" max:"1h" doc:"Connect anew when no event has come for so long."`
	PingTimeout time.Duration     `koanf:"ping_timeout" min:"100ms" max:"5m" doc:"Connect anew when a ping has not been answered for so long; one is sent as often."`
	RetryMax    time.Duration     `koanf:"retry_max" min:"10ms" max:"10m" doc:"Longest wait between attempts to connect."`
	MaxPending  pipeline.ByteSize `koanf:"max_pending" doc:"How much may wait in the spool; then the server has to wait, or to be asked again."`
	Spool       Spool             `koanf:"spool" doc:"The folder in which events wait."`
	ChunkSize   pipeline.ByteSize `koanf:"chunk_size" doc:"How much is read from the spool and handed on at a time; 4KiB to 16MiB."`
	decode.Config
}

// Spool says how events wait on disk.
type Spool struct {
	Path        string            `koanf:"path" doc:"Folder; it belongs to this pipeline alone."`
	SegmentSize pipeline.ByteSize `koanf:"segment_size" doc:"Size at which a new file is begun; 64KiB to 1GiB."`
	Fsync       bool              `koanf:"fsync" doc:"Survive a loss of power, not only the death of the process."`
}

// Defaults returns the config with its default values.
func Defaults() Config {
	c := Config{
		Collections: []string{"app.bsky.feed.post"}, Start: "now", Rewind: 5 * time.Second,
		IdleTimeout: time.Minute, PingTimeout: 20 * time.Second, RetryMax: 30 * time.Second,
		MaxPending: 1 << 30, Spool: Spool{Path: "data/spool", SegmentSize: 64 << 20, Fsync: true},
		ChunkSize: 256 << 10, Config: decode.Defaults(),
	}
	c.Format = "jetstream"
	return c
}

// urls returns URL and URLs as one list.
func (c *Config) urls() []string {
	if c.URL == "" {
		return c.URLs
	}
	return append([]string{c.URL}, c.URLs...)
}

// Limits of the protocol.
const (
	maxCollections = 100
	maxDIDs        = 10_000
)

// Validate checks the config. Errors are *pipeline.FieldError, joined.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if len(c.urls()) == 0 {
		fail("url", "no server: set url or urls, such as wss://HOST/subscribe")
	}
	if c.URL != "" {
		checkURL("url", c.URL, fail)
	}
	for i, u := range c.URLs {
		checkURL(fmt.Sprintf("urls.%d", i), u, fail)
	}
	if len(c.Collections) > maxCollections {
		fail("collections", "%d collections: a server takes at most %d", len(c.Collections), maxCollections)
	}
	if i := slices.Index(c.Collections, ""); i >= 0 {
		fail(fmt.Sprintf("collections.%d", i), "empty name")
	}
	if len(c.DIDs) > maxDIDs {
		fail("dids", "%d accounts: a server takes at most %d", len(c.DIDs), maxDIDs)
	}
	for i, d := range c.DIDs {
		if !strings.HasPrefix(d, "did:") {
			fail(fmt.Sprintf("dids.%d", i), "%q is no DID: it begins with did:", d)
		}
	}
	if _, err := parseStart(c.Start, time.Unix(1<<31, 0)); err != nil {
		fail("start", "%w", err)
	}
	if c.Compress && c.Dictionary == "" {
		fail("dictionary", "compress needs the dictionary of the servers: save zstd_dictionary of Jetstream's repository beside the pipeline and name it here, or set compress: false")
	}
	size := func(path string, v, lo, hi pipeline.ByteSize) {
		if v < lo || v > hi {
			fail(path, "%s is out of range: use %s to %s", v, lo, hi)
		}
	}
	size("max_pending", c.MaxPending, 1<<20, 1<<40)
	size("chunk_size", c.ChunkSize, 4<<10, 16<<20)
	size("spool.segment_size", c.Spool.SegmentSize, 64<<10, 1<<30)
	if c.Spool.Path == "" {
		fail("spool.path", "no folder: name one, such as data/spool")
	}
	errs = append(errs, c.Config.Validate())
	return errors.Join(errs...)
}

func checkURL(path, s string, fail func(path, format string, args ...any)) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
		fail(path, "%q is no address of a websocket: write one such as wss://HOST/subscribe", s)
	case u.RawQuery != "":
		fail(path, "%q has parameters: they are set by collections, dids, start and compress", s)
	}
}

// parseStart returns the cursor of the first run in microseconds; 0 is the live
// end.
func parseStart(s string, now time.Time) (int64, error) {
	if s == "now" {
		return 0, nil
	}
	if us, err := strconv.ParseInt(s, 10, 64); err == nil && us > 0 {
		return us, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d).UnixMicro(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil && t.UnixMicro() > 0 {
		return t.UnixMicro(), nil
	}
	return 0, fmt.Errorf("%q: write now, an age such as 1h, a time such as 2026-01-01T00:00:00Z, or a time_us", s)
}

// query is what the server is asked for, from cursor on.
func (c *Config) query(cursor int64) string {
	q := url.Values{"wantedCollections": c.Collections}
	if c.hello() == nil {
		q["wantedDids"] = c.DIDs
	} else {
		q.Set("requireHello", "true")
	}
	if cursor > 0 {
		q.Set("cursor", strconv.FormatInt(cursor, 10))
	}
	if c.Compress {
		q.Set("compress", "true")
	}
	return q.Encode()
}

// maxInURL is how many accounts an address can hold for any proxy.
const maxInURL = 50

// hello is the message that asks for many accounts; nil when the address does.
func (c *Config) hello() []byte {
	if len(c.DIDs) <= maxInURL {
		return nil
	}
	type payload struct {
		WantedCollections []string `json:"wantedCollections,omitempty"`
		WantedDIDs        []string `json:"wantedDids"`
	}
	b, err := json.Marshal(struct {
		Type    string  `json:"type"`
		Payload payload `json:"payload"`
	}{"options_update", payload{c.Collections, c.DIDs}})
	if err != nil {
		return nil // strings are always written
	}
	return b
}

// Factory describes the source.
func Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{
		Name:    "jetstream",
		Summary: "read Bluesky's Jetstream over a websocket",
		Doc: `Connects to a Jetstream server and reads the events of the collections and
accounts that are asked for.

    source:
      jetstream:
        urls: [wss://jetstream1.us-east.bsky.network/subscribe, wss://jetstream2.us-east.bsky.network/subscribe]
        start: 1h

Events go through a spool, a folder of its own, and each is put there once: after
a fault the next connection begins ` + "`rewind`" + ` before the last event, at another
server of ` + "`urls`" + ` if the first does not answer, and what is there already is left
out. Two events are the same when account, collection, record key, operation and
revision are; events that are no commits, when their text without time_us is. So
nothing is doubled, and nothing is lost as long as the server's log reaches back to
the last event. If it does not, a warning tells the gap.

The spool belongs to the checkpoint: back up, move and delete both together. The
partition is ` + "`events`" + `, and source_offset is the number of the event. A frame that
is no event of Jetstream goes on too, and is rejected by the decoder with its text.

` + "`compress`" + ` halves what is received. The dictionary is not part of Sluice: save
pkg/models/zstd_dictionary of Jetstream's repository and name it by ` + "`dictionary`" + `.`,
		Example: "url: wss://jetstream.example.com/subscribe\ncollections: [app.bsky.feed.post]\nstart: now\n",
	}, Defaults, newPlan)
}
