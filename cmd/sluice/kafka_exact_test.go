package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/internal/synth"
)

const (
	exactPosts      = 60_000
	exactPartitions = 6
	exactKills      = 8
)

// TestKafkaExactlyOnceOverProcesses has two processes share a topic and write
// another one by transactions, and kills one of them with SIGKILL again and
// again. A reader of committed messages must find each post once, and those of
// an author, from one partition, in order.
func TestKafkaExactlyOnceOverProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions: the mock cluster keeps no offsets of them")
	b.CreateTopic(t, "in", exactPartitions, nil)
	b.CreateTopic(t, "out", 4, nil)
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var ms []client.Message
	for i := range exactPosts {
		ms = append(ms, kafkatest.Message("in", int32(i%exactPartitions), nil, bytes.TrimSpace(g.AppendRow(nil, int64(i)))))
	}
	b.Produce(t, ms...)

	file := filepath.Join(t.TempDir(), "exact.yaml")
	text := fmt.Sprintf(`pipeline: exact
source:
  kafka:
    brokers: [%[1]q]
    topics: [in]
    group: exact
    start: earliest
    chunk_size: 32KiB
    settings: { session.timeout.ms: "2000", heartbeat.interval.ms: "500" }
sinks:
  - kafka: { from: posts, brokers: [%[1]q], topic: out, key_column: author_id, delivery: exactly_once }
engine: { epoch: { rows: 500, interval: 500ms }, retry: { max: 500ms } }
admin: { listen: "off" }
`, b.Servers)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	var running [2]*exec.Cmd
	var logs [2]bytes.Buffer
	start := func(n int) {
		running[n] = sluice(t, "run", file, "--quiet", "--set", fmt.Sprintf("checkpoint.path=./checkpoint%d", n))
		running[n].Stdout, running[n].Stderr = &logs[n], &logs[n]
		if err := running[n].Start(); err != nil {
			t.Fatal(err)
		}
	}
	kill := func(n int) {
		_ = running[n].Process.Kill()
		_ = running[n].Wait() // it was killed
	}
	for n := range running {
		start(n)
	}
	defer func() {
		for n := range running {
			kill(n)
			if t.Failed() {
				tail := logs[n].Bytes()
				t.Logf("process %d:\n%s", n, tail[max(0, len(tail)-3000):])
			}
		}
	}()
	for range exactKills {
		time.Sleep(time.Second + time.Duration(r.Int63n(int64(2*time.Second))))
		n := r.Intn(len(running))
		kill(n)
		start(n)
	}
	all := b.ConsumeWithin(t, 4*time.Minute, "out", exactPosts)
	checkPostsOnce(t, all)
	// What is written from here on is behind all that was: so the posts are all
	// that there is.
	for p := range int32(4) {
		b.Produce(t, kafkatest.Message("out", p, nil, []byte("end")))
	}
	ends := 0
	for _, m := range b.Consume(t, "out", exactPosts+4) {
		if string(m.Value) == "end" {
			ends++
		}
	}
	if ends != 4 {
		t.Errorf("%d of 4 partitions end behind the posts: there are more than %d", ends, exactPosts)
	}
}

// checkPostsOnce checks that messages have each post once, and those of an author
// that come from one partition in order.
func checkPostsOnce(t *testing.T, all []*client.Message) {
	t.Helper()
	seen, last := map[string]bool{}, map[string]int64{}
	for _, m := range all {
		var post struct {
			ID     string `json:"id"`
			Author string `json:"author_id"`
			Source string `json:"source"`
			Offset int64  `json:"source_offset"`
		}
		if err := json.Unmarshal(m.Value, &post); err != nil {
			t.Fatalf("%q: %v", m.Value, err)
		}
		place := fmt.Sprint(post.Source, " ", post.Offset)
		if seen[place] {
			t.Fatalf("%s is there twice", place)
		}
		seen[place] = true
		stream := post.Source + " " + post.Author
		if before, any := last[stream]; any && post.Offset <= before {
			t.Fatalf("author %s: offset %d of %s is behind %d", post.Author, post.Offset, post.Source, before)
		}
		last[stream] = post.Offset
	}
}
