package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
)

// BenchmarkRead reads posts, one and 500 a message, beside a consumer that only
// counts messages. The metrics are for a post; the broker's own processor time
// is not in cpu-ns.
func BenchmarkRead(b *testing.B) {
	broker := kafkatest.Start(b)
	broker.NeedReal(b, "which keeps all that is written")
	const posts = 200_000
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	for _, each := range []int{1, 500} {
		topic := fmt.Sprintf("bench-%d", each)
		broker.CreateTopic(b, topic, 4, nil)
		var ms []client.Message
		for i := 0; i < posts; i += each {
			var value []byte
			for j := range each {
				value = g.AppendRow(value, int64(i+j))
				if value[len(value)-1] != '\n' {
					value = append(value, '\n')
				}
			}
			ms = append(ms, kafkatest.Message(topic, int32(i/each%4), nil, bytes.TrimSpace(value)))
		}
		broker.Produce(b, ms...)
		b.Run(fmt.Sprintf("counting/%d", each), func(b *testing.B) {
			measure(b, posts, func() { count(b, broker, topic, len(ms)) })
		})
		for _, decode := range []bool{false, true} {
			b.Run(fmt.Sprintf("source/%d/decode=%v", each, decode), func(b *testing.B) {
				p := newTestPlan(b, broker.Servers, func(c *Config) {
					c.Topics, c.Start = []string{topic}, "earliest"
					c.Group = fmt.Sprintf("bench-%d", time.Now().UnixNano())
					if each > 1 {
						c.Messages = "lines"
					}
				})
				begin := map[string]pipeline.Resume{}
				for n := range 4 {
					begin[partitionName(topic, int32(n))] = pipeline.Resume{}
				}
				measure(b, posts, func() { drain(b, p, begin, decode, posts) })
			})
		}
	}
}

// measure runs f, which takes n posts, and reports times for one post.
func measure(b *testing.B, n int, f func()) {
	b.ReportAllocs()
	before := cpuTime(b)
	runs := 0
	for b.Loop() {
		f()
		runs++
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(runs*n), "cpu-ns/post")
	b.ReportMetric(float64(runs*n)/b.Elapsed().Seconds(), "posts/s")
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// count polls until it has seen n messages.
func count(b *testing.B, broker *kafkatest.Broker, topic string, n int) {
	c, err := client.NewConsumer(&client.ConfigMap{"bootstrap.servers": broker.Servers, "group.id": "count"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var all []client.TopicPartition
	for p := range int32(4) {
		all = append(all, client.TopicPartition{Topic: &topic, Partition: p, Offset: client.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		b.Fatal(err)
	}
	for n > 0 {
		if _, ok := c.Poll(100).(*client.Message); ok {
			n--
		}
	}
}

// drain reads to the end of the topic and, if asked, decodes.
func drain(b *testing.B, p *plan, begin map[string]pipeline.Resume, decode bool, want int) {
	src, err := p.New()
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close(context.Background())
	if err := src.Open(b.Context(), begin); err != nil {
		b.Fatal(err)
	}
	dec := p.Decode().New()
	n := 0
	for {
		c, err := src.Read(b.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if !decode {
			n += c.Records
		} else if err := dec.Decode(b.Context(), &c, func(out pipeline.Batch) error {
			n += out.Rows()
			out.Record.Release()
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
	if n != want {
		b.Fatalf("%d rows, want %d", n, want)
	}
}
