package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/internal/synth"
)

const (
	cutPosts  = 40_000
	cutPoison = 40
	cutKills  = 6
	cutMore   = 6_000 // posts after a reload
)

// cutFolder makes a folder with the example's rules and two pipelines that read
// the topic "in": one with a repartition step, one without.
func cutFolder(t *testing.T, servers string) (cut, whole string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy/examples")); err != nil {
		t.Fatal(err)
	}
	const text = `pipeline: %[2]s
source:
  kafka:
    brokers: [%[1]q]
    topics: [in]
    chunk_size: 32KiB
    settings: { session.timeout.ms: "2000", heartbeat.interval.ms: "500" }
steps:
  - normalize
  - tokenize
%[3]s  - fingerprint
  - match:
      lists:
        extremist_terms: { path: lists/extremist.csv }
        news_context:    { path: lists/news_context.txt }
        spam_phrases:    { path: lists/spam_phrases.txt }
        short_links:     { path: lists/short_links.txt, on: url_domains }
  - rules: { files: ["rules/*.yaml"] }
sinks:
  - kafka: { from: [posts, detections, rejected], brokers: [%[1]q], topic: "%[2]s.{stream}", delivery: exactly_once }
engine: { epoch: { rows: 700, interval: 300ms }, retry: { max: 500ms } }
admin: { listen: "off" }
`
	write := func(name, steps string) string {
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, text, servers, name, steps), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cut", "  - repartition: { by: author_id, topic: by-author, partitions: 4 }\n"), write("whole", "")
}

// processes keeps two processes of a pipeline running.
type processes struct {
	t       *testing.T
	file    string
	running [2]*exec.Cmd
	logs    [2]lockedBuffer
}

func (p *processes) start(n int) {
	c := sluice(p.t, "run", p.file, "--quiet", "--set", fmt.Sprintf("checkpoint.path=./checkpoint-%s-%d", filepath.Base(p.file), n))
	c.Env = append(c.Env, fmt.Sprintf("ALERTS=./alerts-%d", n))
	c.Stdout, c.Stderr = &p.logs[n], &p.logs[n]
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.running[n] = c
}

// end ends one by a signal and returns what it ended with.
func (p *processes) end(n int, s syscall.Signal) error {
	if p.running[n] == nil {
		return nil
	}
	_ = p.running[n].Process.Signal(s)
	err := p.running[n].Wait()
	fmt.Fprintf(&p.logs[n], "ended by %s\n", s)
	p.running[n] = nil
	return err
}

// logged waits until both have logged something.
func (p *processes) logged(what string) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(p.logs[0].String(), what) && strings.Contains(p.logs[1].String(), what) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no %q in the logs of both within a minute", what)
		}
	}
}

// reload changes what is behind the cut, which both parts of both processes
// take up, and then what goes through the topic, which is refused.
func (p *processes) reload(b *kafkatest.Broker, g *synth.Generator) {
	p.t.Helper()
	dir := filepath.Dir(p.file)
	files, err := filepath.Glob(filepath.Join(dir, "rules", "*.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	change := func(file, old, now string) {
		p.t.Helper()
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file+".new", bytes.ReplaceAll(data, []byte(old), []byte(now)), 0o600)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for _, f := range files {
		change(f, "version: 1\n", "version: 99\n")
	}
	p.logged("reload: in force from the next epoch on")
	var ms []client.Message
	for i := cutPosts; i < cutPosts+cutMore; i++ {
		ms = append(ms, kafkatest.Message("in", int32(i%3), nil, bytes.TrimSpace(g.AppendRow(nil, int64(i)))))
	}
	b.Produce(p.t, ms...)
	b.ConsumeWithin(p.t, time.Minute, "cut.posts", cutPosts+cutMore)
	found := false
	for _, m := range b.ConsumeAll(p.t, "cut.detections") {
		found = found || strings.Contains(string(m.Value), `"rule_version":99,`)
	}
	if !found {
		p.t.Error("no detection is of the rules that were reloaded")
	}
	change(p.file, "  - tokenize\n", "  - tokenize\n  - language\n")
	p.logged("steps.3.repartition: sink repartition: the column \\\"language\\\" is new")
}

// close ends both, and shows their logs if the test has failed.
func (p *processes) close() {
	for n := range p.running {
		_ = p.end(n, syscall.SIGKILL)
		if p.t.Failed() {
			tail := p.logs[n].String()
			p.t.Logf("process %d of %s:\n%s", n, filepath.Base(p.file), tail[max(0, len(tail)-4000):])
		}
	}
}

// TestRepartitionOverProcesses runs a pipeline that is cut in two in two
// processes, and kills one of them again and again. Posts, detections and
// rejected rows must be those of a pipeline without the step, each once, and
// the posts of an author must have gone through one partition.
func TestRepartitionOverProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions: the mock cluster keeps no offsets of them")
	b.CreateTopic(t, "in", 3, nil)
	for _, name := range []string{"cut", "whole"} {
		for _, stream := range []string{"posts", "detections", "rejected"} {
			b.CreateTopic(t, name+"."+stream, 2, nil)
		}
	}
	g, err := synth.New(synth.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var ms []client.Message
	for i := range cutPosts {
		ms = append(ms, kafkatest.Message("in", int32(i%3), nil, bytes.TrimSpace(g.AppendRow(nil, int64(i)))))
		if i%(cutPosts/cutPoison) == 0 {
			ms = append(ms, kafkatest.Message("in", int32(i%3), nil, fmt.Appendf(nil, "poison %d", i)))
		}
	}
	b.Produce(t, ms...)
	cut, whole := cutFolder(t, b.Servers)

	calm := &processes{t: t, file: whole}
	defer calm.close()
	calm.start(0)
	want := streamsOf(t, b, "whole")
	if err := calm.end(0, syscall.SIGTERM); err != nil {
		t.Fatalf("the pipeline without the step: %v", err)
	}

	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	wild := &processes{t: t, file: cut}
	defer wild.close()
	wild.start(0)
	wild.start(1)
	for range cutKills {
		time.Sleep(time.Second + time.Duration(r.Int63n(int64(2*time.Second))))
		n := r.Intn(2)
		_ = wild.end(n, syscall.SIGKILL)
		wild.start(n)
	}
	checkStreams(t, streamsOf(t, b, "cut"), want)
	wild.reload(b, g)
	for n := range 2 { // a stop drains both parts
		if err := wild.end(n, syscall.SIGTERM); err != nil {
			t.Errorf("process %d ended with %v", n, err)
		}
	}
	checkAuthors(t, b)
	if log := wild.logs[0].String() + wild.logs[1].String(); strings.Contains(log, "defect") {
		t.Error("a log tells of a defect")
	}
}

// streamsOf waits until a pipeline has written all posts and rejected rows, and
// reads what it has written, as rows with how often they are there.
func streamsOf(t *testing.T, b *kafkatest.Broker, name string) map[string]map[string]int {
	t.Helper()
	b.ConsumeWithin(t, 4*time.Minute, name+".posts", cutPosts)
	b.ConsumeWithin(t, time.Minute, name+".rejected", cutPoison)
	out := map[string]map[string]int{}
	for _, stream := range []string{"posts", "detections", "rejected"} {
		out[stream] = map[string]int{}
		for _, m := range b.ConsumeAll(t, name+"."+stream) {
			out[stream][row(t, m.Value)]++
		}
	}
	return out
}

// checkStreams compares what two pipelines have written.
func checkStreams(t *testing.T, got, want map[string]map[string]int) {
	t.Helper()
	for stream := range want {
		if len(want[stream]) == 0 {
			t.Errorf("%s: there are none to compare", stream)
		}
		rows := map[string]bool{}
		for r := range got[stream] {
			rows[r] = true
		}
		for r := range want[stream] {
			rows[r] = true
		}
		wrong := 0
		for r := range rows {
			if got[stream][r] != want[stream][r] {
				if wrong++; wrong <= 2 {
					t.Errorf("%s: %d times, want %d: %s", stream, got[stream][r], want[stream][r], r)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d rows differ", stream, wrong, len(rows))
		}
	}
}

// row writes a row the same way whatever the order of its columns.
func row(t *testing.T, value []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(value, &m); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// checkAuthors checks that the posts of an author are in one partition of the
// topic between the parts.
func checkAuthors(t *testing.T, b *kafkatest.Broker) {
	t.Helper()
	at := map[string]int32{}
	rows := 0
	for _, m := range b.ConsumeAll(t, "by-author") {
		value, ok := kafka.Unseal(m.Value)
		if !ok {
			t.Fatal("a message has no seal")
		}
		r, err := ipc.NewReader(bytes.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		for r.Next() {
			authors := r.Record().Column(r.Record().Schema().FieldIndices("author_id")[0]).(*array.String)
			for i := range authors.Len() {
				if p, seen := at[authors.Value(i)]; seen && p != m.TopicPartition.Partition {
					t.Fatalf("author %s is in partitions %d and %d", authors.Value(i), p, m.TopicPartition.Partition)
				}
				at[authors.Value(i)] = m.TopicPartition.Partition
			}
			rows += authors.Len()
		}
		r.Release()
	}
	if rows != cutPosts+cutMore {
		t.Errorf("%d posts went through the topic, want %d", rows, cutPosts+cutMore)
	}
}
