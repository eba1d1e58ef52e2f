package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
)

// TestGaps reads topics in which offsets are missing: markers of transactions,
// aborted ones, and what retention has deleted.
func TestGaps(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "which has transactions and deletes records")
	t.Run("transactions", func(t *testing.T) {
		b.CreateTopic(t, "transactions", 1, nil)
		var want []string
		offset := 0
		p, err := client.NewProducer(&client.ConfigMap{"bootstrap.servers": b.Servers, "transactional.id": "gaps"})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx := context.Background()
		must(p.InitTransactions(ctx))
		// The middle one is longer than what blanks fill.
		for i, n := range []int{3, maxBlank + 50, 2} {
			must(p.BeginTransaction())
			for j := range n {
				m := kafkatest.Message("transactions", 0, nil, post(fmt.Sprintf("%d-%d", i, j)))
				must(p.Produce(&m, nil))
				if i != 1 {
					want = append(want, fmt.Sprintf("%d %d-%d", offset+j, i, j))
				}
			}
			p.Flush(10_000)
			if i == 1 {
				must(p.AbortTransaction(ctx))
			} else {
				must(p.CommitTransaction(ctx))
			}
			offset += n + 1 // its marker
		}
		r, err := read(t, newTestPlan(t, b.Servers, func(c *Config) { c.Topics = []string{"transactions"} }), nil, nil)
		if err != nil || !slices.Equal(r.posts["transactions/0"], want) {
			t.Errorf("%v\n got %v\nwant %v", err, r.posts, want)
		}
		if ends := r.ends["transactions/0"]; ends[len(ends)-1] != position(int64(offset)) {
			t.Errorf("reading ended at %v, want %d, behind the last marker", ends, offset)
		}
		// A recorded epoch may end anywhere in a gap.
		until := []pipeline.Position{"2", "4", "5", "100", position(int64(offset))}
		r, err = read(t, newTestPlan(t, b.Servers, func(c *Config) { c.Topics = []string{"transactions"} }), map[string]pipeline.Resume{"transactions/0": {From: "1", Until: until}}, nil)
		if err != nil || !slices.Equal(r.posts["transactions/0"], want[1:]) {
			t.Errorf("%v\n got %v\nwant %v", err, r.posts, want[1:])
		}
		for _, u := range until {
			if !slices.Contains(r.ends["transactions/0"], u) {
				t.Errorf("no chunk ends at %s: %v", u, r.ends)
			}
		}
	})
	t.Run("deleted", func(t *testing.T) {
		b.CreateTopic(t, "deleted", 1, nil)
		produceNumbered(t, b, "deleted", 1, 50)
		b.DeleteRecords(t, "deleted", 0, 20)
		set := func(onLost string) *plan {
			return newTestPlan(t, b.Servers, func(c *Config) { c.Topics, c.OnLost = []string{"deleted"}, onLost })
		}
		resume := map[string]pipeline.Resume{"deleted/0": {From: "10"}}
		_, err := read(t, set("fail"), resume, nil)
		if err == nil || !strings.Contains(err.Error(), "deleted/0 is to be read from offset 10, but the broker's messages begin at 20") {
			t.Errorf("error %v", err)
		}
		r, err := read(t, set("skip"), resume, nil)
		if err != nil || len(r.posts["deleted/0"]) != 30 {
			t.Errorf("%v, %v", err, r.posts)
		}
		// Without a checkpoint the beginning is what there is.
		r, err = read(t, newTestPlan(t, b.Servers, func(c *Config) { c.Topics, c.Group = []string{"deleted"}, "new" }), nil, nil)
		if err != nil || len(r.posts["deleted/0"]) != 30 {
			t.Errorf("%v, %v", err, r.posts)
		}
	})
}

// TestBrokerAway kills the broker in the middle of reading and starts it again.
func TestBrokerAway(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "to be stopped and started")
	b.CreateTopic(t, "away", 2, nil)
	const n = 3000
	produceNumbered(t, b, "away", 2, n)
	killed := false
	total := func(r *result) int { return len(r.posts["away/0"]) + len(r.posts["away/1"]) }
	p := newTestPlan(t, b.Servers, func(c *Config) {
		c.Topics, c.Follow, c.ChunkSize = []string{"away"}, true, 4<<10
		c.Settings = map[string]string{"queued.min.messages": "100", "fetch.message.max.bytes": "8192", "reconnect.backoff.max.ms": "500"}
	})
	r, err := read(t, p, nil, func(r *result) bool {
		if total(r) > n/2 && !killed {
			killed = true
			b.Kill()
			b.Restart(t)
			produceNumbered(t, b, "away", 2, 10) // and more comes
		}
		return total(r) >= 2*(n+10)
	})
	if err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		rows := r.posts[fmt.Sprintf("away/%d", part)]
		for i, row := range rows {
			if !strings.HasPrefix(row, fmt.Sprintf("%d %d-", i, part)) {
				t.Fatalf("partition %d: row %d is %q", part, i, row)
			}
		}
		if len(rows) != n+10 {
			t.Errorf("partition %d has %d rows, want %d", part, len(rows), n+10)
		}
	}
}

// TestSASL authenticates with what brokers offer, and is refused with a wrong
// password without showing it.
func TestSASL(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "which authenticates")
	b.CreateTopic(t, "secured", 1, nil)
	produceNumbered(t, b, "secured", 1, 5)
	for mechanism, user := range map[string]string{"PLAIN": kafkatest.PlainUser, "SCRAM-SHA-256": kafkatest.ScramUser, "SCRAM-SHA-512": kafkatest.ScramUser} {
		for _, password := range []string{kafkatest.Password, "wrong-words"} {
			p := newTestPlan(t, b.SASL, func(c *Config) {
				c.Topics, c.Group = []string{"secured"}, "as-"+mechanism+password
				c.SASL.Mechanism, c.SASL.Username, c.SASL.Password = mechanism, user, pipeline.Secret(password)
			})
			r, err := read(t, p, nil, nil)
			switch right := password == kafkatest.Password; {
			case right && (err != nil || len(r.posts["secured/0"]) != 5):
				t.Errorf("%s: %v, %v", mechanism, err, r.posts)
			case !right && (err == nil || strings.Contains(err.Error(), password)):
				t.Errorf("%s with a wrong password: %v", mechanism, err)
			}
		}
	}
}

// TestTLS reads over TLS from a broker whose authority the config names, and
// from no other.
func TestTLS(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "which has a listener with TLS")
	b.CreateTopic(t, "encrypted", 1, nil)
	produceNumbered(t, b, "encrypted", 1, 5)
	for _, ca := range []string{b.CA, ""} {
		p := newTestPlan(t, b.TLS, func(c *Config) { c.Topics, c.TLS.Enabled, c.TLS.CA = []string{"encrypted"}, true, ca })
		r, err := read(t, p, nil, nil)
		switch {
		case ca != "" && (err != nil || len(r.posts["encrypted/0"]) != 5):
			t.Errorf("%v, %v", err, r.posts)
		case ca == "" && (err == nil || !strings.Contains(err.Error(), "certificate")):
			t.Errorf("an unknown authority: %v", err)
		}
	}
}

// TestCloseWithoutBroker checks that a stop does not wait for a broker that is
// away, though there is an offset to commit.
func TestCloseWithoutBroker(t *testing.T) {
	b := kafkatest.Start(t)
	b.NeedReal(t, "to be stopped")
	b.CreateTopic(t, "closing", 1, nil)
	produceNumbered(t, b, "closing", 1, 100)
	var killed time.Time
	p := newTestPlan(t, b.Servers, func(c *Config) { c.Topics = []string{"closing"} })
	_, err := read(t, p, nil, func(r *result) bool {
		if len(r.posts) > 0 {
			b.Kill()
			killed = time.Now()
		}
		return !killed.IsZero()
	})
	if took := time.Since(killed); err != nil || took > 20*time.Second {
		t.Errorf("closing took %s, error %v", took, err)
	}
}
