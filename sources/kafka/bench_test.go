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

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// BenchmarkRead reads posts, one and 500 a message, as JSON and as Arrow, beside a consumer that only
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
	for _, shape := range []struct {
		messages string
		each     int
	}{{"post", 1}, {"lines", 500}, {"arrow", 500}} {
		topic := "bench-" + shape.messages
		broker.CreateTopic(b, topic, 4, nil)
		var ms []client.Message
		for i := 0; i < posts; i += shape.each {
			var value []byte
			for j := range shape.each {
				value = append(bytes.TrimSpace(g.AppendRow(value, int64(i+j))), '\n')
			}
			if value = bytes.TrimSpace(value); shape.messages == "arrow" {
				value = arrowOf(b, append(value, '\n'))
			}
			ms = append(ms, kafkatest.Message(topic, int32(i/shape.each%4), nil, value))
		}
		broker.Produce(b, ms...)
		b.Run("counting/"+shape.messages, func(b *testing.B) {
			measure(b, posts, func() { count(b, broker, topic, len(ms)) })
		})
		for _, decode := range []bool{false, true} {
			b.Run(fmt.Sprintf("source/%s/decode=%v", shape.messages, decode), func(b *testing.B) {
				p := newTestPlan(b, broker.Servers, func(c *Config) {
					c.Topics, c.Start, c.Messages = []string{topic}, "earliest", shape.messages
					c.Group = fmt.Sprintf("bench-%d", time.Now().UnixNano())
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

// arrowOf turns lines, at most as many as a batch of the decoder holds, into an
// Arrow IPC stream.
func arrowOf(b *testing.B, lines []byte) []byte {
	plan, err := decode.NewPlan(decode.Defaults(), memory.DefaultAllocator)
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	c := pipeline.Chunk{Data: lines, Records: bytes.Count(lines, []byte{'\n'})}
	err = plan.New().Decode(b.Context(), &c, func(p pipeline.Batch) error {
		defer p.Record.Release()
		w := ipc.NewWriter(&out, ipc.WithSchema(p.Record.Schema()))
		return errors.Join(w.Write(p.Record), w.Close())
	})
	if err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
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
