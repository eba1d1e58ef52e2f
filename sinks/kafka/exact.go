package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// exact writes epochs as transactions, each of which also commits the names of
// the newest epochs: so a reader of committed messages sees the rows of an epoch
// all or not at all, and whoever writes next knows what is there.
//
// Each partition of the source has a transactional id, and a consumer group of
// the same name for its commits, which stand under partition 0 of the first
// topic that the sink writes to. A new producer with the id ends the transaction
// of the one before, whatever became of it, and lets it write nothing more.
// What has been committed is read behind that, and so cannot change any more
// but by this producer.
//
// A process that does not know yet that its partition is another's could take
// the id back. It is kept from writing an epoch twice by two things. What was
// committed must be what it knows, or have the very epoch. And its first
// producer is made before an intent is recorded (see pipeline.Claimer), which
// succeeds only while the partition is its own: so nobody can have written
// between the two without ending this producer.
type exact struct {
	s      *Sink
	prefix string
	at     string // topic of the commits
	links  int    // how many producers there are at the most

	mu     sync.Mutex // held to use claims
	claims map[string]*claim
}

// claim is what the sink has of one partition of the source.
type claim struct {
	*exact
	id string // transactional id, and group

	mu      sync.Mutex // held to use what follows
	claimed bool       // known was read
	known   []string   // names of the newest epochs that are in the topics, in order
	link    *link      // nil when none is needed, or it is of no use any more
	ready   bool       // the link's transactions were begun
	open    bool       // a transaction is
	used    time.Time
}

const (
	// remember is how many epochs a commit names. Only those can come again that
	// the engine had begun and not committed: fewer than a Claimer promises.
	remember = 32
	// maxLinks bounds the producers, each of which has threads and connections.
	maxLinks = 64
	// idleAfter is after how long a producer is closed that nothing was written by.
	idleAfter = 5 * time.Minute
)

// mark begins the metadata of a commit. Behind it are the names of epochs, each
// behind a space: at most 32 * 17 bytes, of 4096 that brokers take.
const mark = "sluice/1"

// nameOf returns a short name of an epoch: 96 bits of a hash of its key.
func nameOf(key pipeline.Key) string {
	sum := sha256.Sum256([]byte(key.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// escape writes a partition's name so that it can be a part of ids.
var escape = strings.NewReplacer("%", "%25", " ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D")

func (x *exact) claim(partition string) *claim {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.claims[partition]
	if c == nil {
		c = &claim{exact: x, id: x.prefix + "/" + escape.Replace(partition)}
		x.claims[partition] = c
	}
	return c
}

// Claim implements pipeline.Claimer.
func (s *Sink) Claim(ctx context.Context, partition string) error {
	if s.exact == nil {
		return nil
	}
	if err := s.connect(); err != nil {
		return err
	}
	c := s.exact.claim(partition)
	defer s.exact.tidy(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	c.claimed = false
	return c.prepare(ctx, "")
}

// write writes an epoch, unless it is there.
func (x *exact) write(ctx context.Context, key pipeline.Key, in []pipeline.Batch) error {
	if rows(in) == 0 {
		return nil
	}
	c := x.claim(key.Span.Partition)
	defer x.tidy(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	name := nameOf(key)
	if err := c.prepare(ctx, name); err != nil {
		return err
	}
	if slices.Contains(c.known, name) {
		return nil
	}
	return c.transact(ctx, name, key, in)
}

// prepare makes a producer with the claim's id, unless there is one, and reads
// what was committed. It is the producer of an epoch of that name.
func (c *claim) prepare(ctx context.Context, name string) (err error) {
	c.used = time.Now()
	if c.ready {
		return nil
	}
	if c.link == nil {
		if c.link, err = c.s.newLink(c.id); err != nil {
			return err
		}
	}
	if err := c.repeat(ctx, "taking over "+c.id, c.link.InitTransactions); err != nil {
		return err
	}
	known, err := c.committed()
	if err != nil {
		c.drop() // another may take over meanwhile
		return err
	}
	// Commits that nobody has added to for a week are gone.
	if c.claimed && len(known) > 0 && !slices.Equal(known, c.known) && !slices.Contains(known, name) {
		c.drop()
		return pipeline.Retryable(fmt.Errorf("kafka: another process has written epochs as %s since this one did: the partition is that one's, or two pipelines have one name", c.id))
	}
	c.claimed, c.known, c.ready = true, known, true
	return nil
}

// committed returns the names of the newest epochs that are in the topics. A
// consumer asks, which is no member of the group: librdkafka's admin client dies
// of a coordinator that is just being loaded (ListConsumerGroupOffsets, v2.11).
func (c *claim) committed() ([]string, error) {
	k, err := client.NewConsumer(c.s.cfg.Map(client.ConfigMap{"client.id": "sluice"},
		client.ConfigMap{"group.id": c.id, "isolation.level": "read_committed", "log_level": 0}))
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	defer k.Close() //nolint:errcheck // it has no membership and no offsets
	found, err := k.Committed([]client.TopicPartition{{Topic: &c.at}}, askTimeout)
	if err == nil && len(found) == 1 {
		err = found[0].Error
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: asking what was written as %s: %w", c.id, c.s.failure(err))
	}
	if len(found) != 1 || found[0].Offset < 0 || found[0].Metadata == nil {
		return nil, nil // nothing yet
	}
	names := strings.Split(*found[0].Metadata, " ")
	if names[0] != mark {
		return nil, fmt.Errorf("kafka: the commit of group %s was made by something else: set transactional_id", c.id)
	}
	return names[1:], nil
}

// transact writes an epoch as one transaction.
func (c *claim) transact(ctx context.Context, name string, key pipeline.Key, in []pipeline.Batch) error {
	if err := c.link.BeginTransaction(); err != nil {
		return c.failed(ctx, fmt.Errorf("kafka: beginning a transaction: %w", c.link.why(err)))
	}
	c.open = true
	if err := c.s.send(ctx, c.link, nil, key, in); err != nil {
		return c.failed(ctx, err)
	}
	known := append(slices.Clone(c.known), name)
	known = known[max(0, len(known)-remember):]
	metadata := mark + " " + strings.Join(known, " ")
	group, err := client.NewTestConsumerGroupMetadata(c.id) // that of a group without members
	if err != nil {
		return c.failed(ctx, fmt.Errorf("kafka: %w", err))
	}
	at := []client.TopicPartition{{Topic: &c.at, Offset: 0, Metadata: &metadata}}
	if err := c.repeat(ctx, "committing what was written", func(ctx context.Context) error {
		return c.link.SendOffsetsToTransaction(ctx, at, group)
	}); err != nil {
		return err
	}
	if err := c.repeat(ctx, "committing a transaction", c.link.CommitTransaction); err != nil {
		return err
	}
	c.open, c.known = false, known
	return nil
}

// slice is how long one call of a transaction may take before it is made again:
// they do not end with a context.
const slice = 500 * time.Millisecond

// repeat makes a call of a transaction again and again until it succeeds, fails,
// or ctx ends, as librdkafka says that they are to be.
func (c *claim) repeat(ctx context.Context, what string, call func(context.Context) error) error {
	for begun := time.Now(); ; {
		within, end := context.WithTimeout(context.Background(), slice)
		err := call(within)
		end()
		if err == nil {
			return nil
		}
		err = c.link.why(err)
		if kafka.Again(err) && ctx.Err() == nil && time.Since(begun) < callTimeout {
			continue
		}
		return c.failed(ctx, fmt.Errorf("kafka: %s: %w", what, err))
	}
}

// failed brings a claim into order after err, which it returns with its kind.
// When it is not known what became of a transaction, the next producer is told.
func (c *claim) failed(ctx context.Context, err error) error {
	out := c.s.failure(err)
	if ctx.Err() != nil {
		out = context.Cause(ctx)
	}
	if !aborts(err) || !c.abort() {
		c.drop()
	}
	return out
}

// abort ends the open transaction, and reports whether the producer can go on.
func (c *claim) abort() bool {
	for begun := time.Now(); c.open; {
		within, end := context.WithTimeout(context.Background(), slice)
		err := c.link.AbortTransaction(within)
		end()
		c.open = err != nil
		if err != nil && (!kafka.Again(err) || time.Since(begun) > abortTimeout) {
			return false
		}
	}
	return true
}

// drop closes the producer. A transaction that is open is aborted if that is
// soon done, so that readers need not wait for its timeout.
func (c *claim) drop() {
	if c.link == nil {
		return
	}
	if c.open && c.link.GetFatalError() == nil {
		c.abort()
	}
	c.link.close()
	c.link, c.ready, c.open = nil, false, false
}

// tidy closes producers that have long been idle, and the one that has for
// longest when there are many; but not the one of c.
func (x *exact) tidy(c *claim) {
	x.mu.Lock()
	defer x.mu.Unlock()
	links := 0
	var oldest *claim
	for _, other := range x.claims {
		if other == c || !other.mu.TryLock() {
			links++ // it is in use
			continue
		}
		if other.link != nil && time.Since(other.used) > idleAfter {
			other.drop()
		}
		if other.link != nil {
			links++
			if oldest == nil || other.used.Before(oldest.used) {
				oldest = other
			}
		}
		other.mu.Unlock()
	}
	if links > x.links && oldest != nil && oldest.mu.TryLock() {
		oldest.drop()
		oldest.mu.Unlock()
	}
}

// close ends all producers.
func (x *exact) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.claims {
		c.mu.Lock()
		c.drop()
		c.mu.Unlock()
	}
}

var _ pipeline.Claimer = (*Sink)(nil)

// failure gives an error of a transaction its kind. One that is fatal for a
// producer passes with it, unless the next would be told the same.
func (s *Sink) failure(err error) error {
	if code, ok := codeOf(err); !ok || kafka.PermanentCode(code) {
		return err
	}
	return pipeline.Retryable(err)
}
