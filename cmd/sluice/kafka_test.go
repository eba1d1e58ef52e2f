package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/internal/synth"
)

const (
	kafkaPosts      = 360_000 // three times what a quiet machine reads until the last kill
	kafkaPoison     = 120     // messages that are no posts, among them
	kafkaPartitions = 6
	kafkaKills      = 10
)

// TestKafkaKilledAtRandomPoints reads topics into the embedded engine and kills
// the pipeline, the engine, both, or the broker with SIGKILL at random points.
// The tables must end equal to those of an undisturbed run, and every message
// must be there once.
func TestKafkaKilledAtRandomPoints(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	needEngine(t)
	b := kafkatest.Start(t)
	b.CreateTopic(t, "posts", kafkaPartitions, nil)
	produceSynthetic(t, b)

	calm, wild := newKafkaDir(t, b.Servers, "calm"), newKafkaDir(t, b.Servers, "wild")
	if out, err := sluice(t, "run", calm.file, "--quiet").CombinedOutput(); err != nil {
		t.Fatalf("the undisturbed run: %v\n%s", err, out)
	}
	want := calm.sums(t)
	if !strings.HasPrefix(want, fmt.Sprintf("posts\t%d\t%d\t", kafkaPosts, kafkaPosts)) || !strings.Contains(want, fmt.Sprintf("rejected\t%d\t%d\t", kafkaPoison, kafkaPoison)) {
		t.Fatalf("the undisturbed run has not each message once:\n%s", want)
	}

	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	killed := 0
	for killed < kafkaKills && !wild.runAndKillKafka(t, b, rnd, killed) {
		killed++
	}
	if killed < kafkaKills {
		t.Fatalf("the run was over after %d kills: it must last for %d", killed, kafkaKills)
	}
	// The last run goes at full speed, to the end.
	if out, err := sluice(t, "run", wild.file, "--quiet").CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	if got := wild.sums(t); got != want {
		t.Errorf("after %d kills:\n%s\nwant\n%s", killed, got, want)
	}
}

// produceSynthetic writes synthetic posts, with poison among them.
func produceSynthetic(t *testing.T, b *kafkatest.Broker) {
	t.Helper()
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var ms []client.Message
	for i := range kafkaPosts {
		part := int32(i % kafkaPartitions)
		ms = append(ms, kafkatest.Message("posts", part, nil, bytes.TrimSpace(g.AppendRow(nil, int64(i)))))
		if i%(kafkaPosts/kafkaPoison) == 0 {
			ms = append(ms, kafkatest.Message("posts", part, nil, fmt.Appendf(nil, "poison %d", i)))
		}
	}
	b.Produce(t, ms...)
}

// newKafkaDir makes a folder with the example's rules and a pipeline that reads
// the topic to its end, in small epochs.
func newKafkaDir(t *testing.T, servers, group string) crashDir {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy/examples")); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`pipeline: firehose
source:
  kafka:
    brokers: [%q]
    topics: [posts]
    group: %s
    consumers: 2
    follow: false
    chunk_size: 32KiB
    settings: { reconnect.backoff.max.ms: "500" }
steps:
  - normalize
  - tokenize
  - fingerprint
  - match:
      lists:
        extremist_terms: { path: lists/extremist.csv }
        news_context:    { path: lists/news_context.txt }
        spam_phrases:    { path: lists/spam_phrases.txt }
        short_links:     { path: lists/short_links.txt, on: url_domains }
  - rules: { files: ["rules/*.yaml"] }
sinks:
  - clickhouse: { embedded: { path: ./data/clickhouse } }
engine: { epoch: { rows: 800, interval: 200ms }, in_flight: 3 }
admin: { listen: "off" }
`, servers, group)
	file := filepath.Join(dir, "kafka.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return crashDir{dir, file}
}

// runAndKillKafka starts the pipeline and kills something after a while. It
// reports whether the run was over before.
func (d crashDir) runAndKillKafka(t *testing.T, b *kafkatest.Broker, rnd *rand.Rand, n int) (done bool) {
	t.Helper()
	c := sluice(t, "run", d.file, "--quiet")
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	engine := d.waitForEngine(t, exited)
	select {
	case err := <-exited:
		if err != nil {
			t.Fatalf("run %d: %v\n%s", n, err, log.String())
		}
		return true
	case <-time.After(time.Duration(rnd.Int63n(int64(1200 * time.Millisecond)))):
	}
	switch n % 4 {
	case 1: // the engine first; the pipeline starts it again
		_ = syscall.Kill(engine, syscall.SIGKILL)
		time.Sleep(time.Duration(rnd.Int63n(int64(time.Second))))
	case 2: // both
		_ = syscall.Kill(engine, syscall.SIGKILL)
	case 3: // the broker, and the pipeline while it is away or just back
		if b.Real() {
			b.Kill()
			time.Sleep(time.Duration(rnd.Int63n(int64(300 * time.Millisecond))))
			b.Restart(t)
		}
	}
	_ = c.Process.Kill()
	<-exited
	return false
}

// sums returns, for each table, its rows, its different places in the source,
// and a sum over what the rows hold.
func (d crashDir) sums(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, q := range []struct{ table, place, hold string }{
		{"posts", "source, source_offset", "source, source_offset, id, text, toString(created_at), text_hash"},
		{"rejected", "source, source_offset", "source, source_offset, reason, raw"},
		{"detections FINAL", "source, source_offset, rule_id", "source, source_offset, rule_id, post_id, rule_hash, toString(spans.start)"},
	} {
		rows := d.sql(t, fmt.Sprintf("SELECT count(), uniqExact(%s), sum(cityHash64(%s)) FROM sluice.%s", q.place, q.hold, q.table))
		_, row, _ := strings.Cut(strings.TrimSpace(rows), "\n")
		out.WriteString(strings.Fields(q.table)[0] + "\t" + row + "\n")
	}
	return out.String()
}
