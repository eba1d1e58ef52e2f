package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// shape is how posts lie in messages.
type shape struct {
	name, topic, messages string
	each                  int
}

func shapes() []shape {
	return []shape{
		{"1 post a message", "posts-1", "post", 1},
		{"500 posts a message, lines", "posts-500", "lines", 500},
		{"500 posts a message, Arrow IPC", "posts-arrow", "arrow", 500},
	}
}

// contest is a row of the table, with a figure for each round.
type contest struct {
	shape     shape
	processes int // 0 for the consumer that only counts
	rates     []float64
	reader    []float64 // µs of a post in the reading processes
	store     []float64 // and in ClickHouse
	epochs    []float64 // how many
}

// throughput reads full topics into ClickHouse, from the processes' start to the last
// post's being visible, in turn with a bare consumer that counts messages.
func throughput(ctx context.Context, e *env, report *strings.Builder) error {
	var contests []*contest
	for _, s := range shapes() {
		say("writing %d posts: %s", e.posts, s.name)
		if err := e.fill(s, e.posts); err != nil {
			return err
		}
		contests = append(contests, &contest{shape: s})
		for _, n := range e.processes {
			contests = append(contests, &contest{shape: s, processes: n})
		}
	}
	for round := range e.rounds + 1 {
		for i, c := range contests {
			if err := e.round(ctx, c, round, i); err != nil {
				return fmt.Errorf("%s, %d processes: %w", c.shape.name, c.processes, err)
			}
		}
		say("round %d of %d, load %s", round, e.rounds, load())
	}
	fmt.Fprintf(report, "%d posts, synthetic; medians of %d rounds, in turn; load at the end %s\n\n", e.posts, e.rounds, load())
	report.WriteString("| messages | | posts/s | of the bare consumer's | µs a post, reader | µs a post, ClickHouse | epochs |\n|---|---|---:|---:|---:|---:|---:|\n")
	var bare *contest
	for _, c := range contests {
		if c.processes == 0 {
			bare = c
			fmt.Fprintf(report, "| %s | bare consumer, counts messages | %.0f | | %.2f | | |\n", c.shape.name, median(c.rates), median(c.reader))
			continue
		}
		var ratios []float64
		for i := range c.rates {
			ratios = append(ratios, c.rates[i]/bare.rates[i])
		}
		fmt.Fprintf(report, "| | %s into ClickHouse | %.0f | %.2f | %.2f | %.2f | %.0f |\n", plural(c.processes, "process"), median(c.rates), median(ratios), median(c.reader), median(c.store), median(c.epochs))
	}
	report.WriteByte('\n')
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ses", n, what)
}

// round runs a contest once. Round 0 does not count.
func (e *env) round(ctx context.Context, c *contest, round, nth int) error {
	var took, reader, store time.Duration
	var epochs uint64
	var err error
	if c.processes == 0 {
		took, reader, err = e.countOnly(ctx, c.shape)
	} else {
		took, reader, store, epochs, err = e.intoStore(ctx, c, fmt.Sprintf("r%d_%d", round, nth))
	}
	if err != nil || round == 0 {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(e.posts) }
	c.rates = append(c.rates, float64(e.posts)/took.Seconds())
	c.epochs = append(c.epochs, float64(epochs))
	c.reader, c.store = append(c.reader, each(reader)), append(c.store, each(store))
	return nil
}

// countOnly polls until it has seen all messages of a topic.
func (e *env) countOnly(ctx context.Context, s shape) (took, cpu time.Duration, err error) {
	begun, before := time.Now(), ownCPU()
	c, err := client.NewConsumer(&client.ConfigMap{"bootstrap.servers": e.broker.Servers, "group.id": "count", "enable.auto.commit": false, "log_level": 3})
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	var all []client.TopicPartition
	for p := range e.partitions {
		all = append(all, client.TopicPartition{Topic: &s.topic, Partition: int32(p), Offset: client.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		return 0, 0, err
	}
	for left := (e.posts + s.each - 1) / s.each; left > 0; {
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		switch ev := c.Poll(100).(type) {
		case *client.Message:
			left--
		case client.Error:
			if ev.IsFatal() {
				return 0, 0, ev
			}
		}
	}
	return time.Since(begun), ownCPU() - before, nil
}

// intoStore runs processes of the pipeline until all posts are visible.
func (e *env) intoStore(ctx context.Context, c *contest, database string) (took, reader, store time.Duration, epochs uint64, err error) {
	j := job{topic: c.shape.topic, messages: c.shape.messages, database: database, group: c.processes > 1}
	if err := e.prepare(j); err != nil {
		return 0, 0, 0, 0, err
	}
	before, begun := e.store.cpu(), time.Now()
	var running []*process
	defer func() {
		for _, p := range running {
			p.Kill()
		}
	}()
	for range c.processes {
		p, err := e.start(j)
		if err != nil {
			return 0, 0, 0, 0, err
		}
		running = append(running, p)
	}
	for e.count(ctx, database) < uint64(e.posts) {
		for _, p := range running {
			if err := p.failed(); err != nil {
				return 0, 0, 0, 0, err
			}
		}
		if time.Since(begun) > 10*time.Minute {
			return 0, 0, 0, 0, fmt.Errorf("%d posts after 10 minutes", e.count(ctx, database))
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return 0, 0, 0, 0, err
		}
	}
	took, store = time.Since(begun), e.store.cpu()-before
	for _, p := range running {
		err = errors.Join(err, p.stop())
		reader += p.used()
	}
	running = nil
	err = errors.Join(err, e.check(ctx, database, uint64(e.posts)), e.conn.QueryRow(ctx, "SELECT count() FROM "+database+".epochs FINAL").Scan(&epochs),
		e.conn.Exec(ctx, "DROP DATABASE "+database))
	return took, reader, store, epochs, err
}

// median returns the middle one.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
