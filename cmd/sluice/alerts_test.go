package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

const (
	alertPosts   = 12_000 // all of them alert
	alertAuthors = 20     // an alert each
	alertParts   = 4
	alertKills   = 6
)

// told is what a receiver of alerts was sent: a Slack that knows no keys, and a
// webhook that does.
type told struct {
	mu    sync.Mutex
	slack map[string][]string           // titles by author
	hook  map[string]map[string]message // last message of each alert, by author and alert
	keys  map[string]string             // bodies
	wrong string
}

type message struct {
	Alert    string                         `json:"alert_id"`
	Status   string                         `json:"status"`
	Sequence int                            `json:"sequence"`
	Count    int                            `json:"count"`
	Group    []struct{ Name, Value string } `json:"group"`
}

func newTold(t *testing.T) (*told, *httptest.Server) {
	x := &told{slack: map[string][]string{}, hook: map[string]map[string]message{}, keys: map[string]string{}}
	s := httptest.NewServer(x)
	t.Cleanup(s.Close)
	return x, s
}

func (x *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.URL.Path == "/slack" {
		var m struct {
			Text string `json:"text"`
		}
		err := json.Unmarshal(body, &m)
		_, group, found := strings.Cut(m.Text, "author_id=")
		if err != nil || !found {
			x.wrong = "Slack was sent " + string(body)
		}
		author, _, _ := strings.Cut(group, ")")
		x.slack[author] = append(x.slack[author], m.Text)
		fmt.Fprint(w, "ok")
		return
	}
	var m message
	key := r.Header.Get("Idempotency-Key")
	if json.Unmarshal(body, &m) != nil || len(m.Group) != 2 || key == "" {
		x.wrong = "the webhook was sent " + string(body)
		return
	}
	if before, again := x.keys[key]; again {
		if before != string(body) {
			x.wrong = "two bodies under one key"
		}
		return
	}
	x.keys[key] = string(body)
	author := m.Group[1].Value
	if x.hook[author] == nil {
		x.hook[author] = map[string]message{}
	}
	if last := x.hook[author][m.Alert]; m.Sequence <= last.Sequence {
		x.wrong = fmt.Sprintf("message %d of %s came after %d", m.Sequence, m.Alert, last.Sequence)
	}
	x.hook[author][m.Alert] = m
}

// over reports whether all alerts have ended with all detections.
func (x *told) over() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, count := 0, 0
	for _, alerts := range x.hook {
		for _, m := range alerts {
			if m.Status != "resolved" {
				return false
			}
			n, count = n+1, count+m.Count
		}
	}
	return n >= alertAuthors && count >= alertPosts
}

// check checks that each author is one alert with all their posts, and that
// Slack was told that it fires once, but for repeats of a message that a kill may make.
func (x *told) check(t *testing.T, repeats int) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.wrong != "" {
		t.Error(x.wrong)
	}
	if len(x.hook) != alertAuthors || len(x.slack) != alertAuthors {
		t.Errorf("%d and %d groups, want %d", len(x.hook), len(x.slack), alertAuthors)
	}
	again := 0
	for author, alerts := range x.hook {
		if len(alerts) != 1 {
			t.Errorf("%s has %d alerts: %v", author, len(alerts), alerts)
		}
		for _, m := range alerts {
			if m.Status != "resolved" || m.Count != alertPosts/alertAuthors {
				t.Errorf("%s ended as %s with %d detections, want %d", author, m.Status, m.Count, alertPosts/alertAuthors)
			}
		}
		seen, fired := map[string]bool{}, 0
		for _, title := range x.slack[author] {
			if seen[title] {
				again++
				continue
			}
			seen[title] = true
			if strings.HasPrefix(title, "FIRING") {
				fired++
			}
		}
		if fired != 1 || !strings.HasPrefix(x.slack[author][len(x.slack[author])-1], "RESOLVED") {
			t.Errorf("Slack was told of %s: %q", author, x.slack[author])
		}
	}
	if again > repeats {
		t.Errorf("Slack was told %d messages twice, want %d at the most", again, repeats)
	}
	t.Logf("%d messages by webhook; Slack was told %d twice", len(x.keys), again)
}

// alertFolder makes a folder with a pipeline whose every post alerts; the posts
// of each author are in all partitions.
func alertFolder(t *testing.T, b *kafkatest.Broker, url, steps, sink string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`pipeline: told
source:
  kafka:
    brokers: [%[1]q]
    topics: [in]
    start: earliest
    settings: { session.timeout.ms: "2000", heartbeat.interval.ms: "500" }
steps:
%[3]s  - rules: { files: [rules.yaml] }
sinks:
  - alert:
      by: [rule_id, author_id]
      path: ${ALERTS}
      group_interval: 1s
      resolve_after: 20s
      fsync: false
      targets:
        slack: { allow_private: true, slack: { url: "%[2]s/slack" } }
        hook:  { allow_private: true, webhook: { url: "%[2]s/hook" } }
%[4]sengine: { epoch: { rows: 300, interval: 200ms }, retry: { max: 500ms } }
admin: { listen: "off" }
`, b.Servers, url, steps, sink)
	for name, text := range map[string]string{
		"told.yaml":  text,
		"rules.yaml": "- { id: any, version: 1, owner: team, severity: high, mode: live, when: 'text.contains(\"zorvath\")' }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "told.yaml")
}

// alertMessages are posts from, up to to. All are of four seconds, so that it
// does not matter in what order the partitions are read.
func alertMessages(from, to int) (ms []client.Message) {
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := from; i < to; i++ {
		post := fmt.Sprintf(`{"id":"post-%d","created_at":%q,"author":{"id":"author-%02d"},"text":"zorvath %d"}`,
			i, begin.Add(time.Duration(i%4000)*time.Millisecond).Format(time.RFC3339Nano), i%alertAuthors, i)
		ms = append(ms, kafkatest.Message("in", int32(i/alertAuthors%alertParts), nil, []byte(post)))
	}
	return ms
}

// waitOver waits until all is told.
func (x *told) waitOver(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !x.over(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("not all alerts have ended with all detections after three minutes")
			return
		}
	}
}

// TestAlertsOverProcesses has two processes that share a topic tell of groups
// that are spread over all partitions, kills them again and again, and suspends
// one for longer than its session. Each group is one alert.
func TestAlertsOverProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	b.CreateTopic(t, "in", alertParts, nil)
	x, server := newTold(t)
	share := fmt.Sprintf("      share: { brokers: [%q], topic: told, settings: { session.timeout.ms: \"2000\", heartbeat.interval.ms: \"500\" } }\n", b.Servers)
	p := &processes{t: t, file: alertFolder(t, b, server.URL, "", share)}
	defer p.close()
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	p.start(0)
	p.start(1)
	for i := range alertKills {
		b.Produce(t, alertMessages(i*alertPosts/alertKills, (i+1)*alertPosts/alertKills)...)
		n := p.teller()
		time.Sleep(time.Duration(r.Int63n(int64(2 * time.Second))))
		if i == alertKills/2 { // when it wakes up another tells
			_ = p.running[n].Process.Signal(syscall.SIGSTOP)
			time.Sleep(4 * time.Second)
			_ = p.running[n].Process.Signal(syscall.SIGCONT)
			continue
		}
		if r.Intn(3) == 0 {
			n = 1 - n
		}
		_ = p.end(n, syscall.SIGKILL)
		p.start(n)
	}
	x.waitOver(t)
	for n := range 2 {
		if err := p.end(n, syscall.SIGTERM); err != nil {
			t.Errorf("process %d ended with %v", n, err)
		}
	}
	x.check(t, alertKills)
	log := p.logs[0].String() + p.logs[1].String()
	if n := strings.Count(log, "this process tells from now on") - strings.Count(log, "sink=alert alerts=0 "); n < 2 {
		t.Errorf("%d processes went on with alerts of another: the test has shown nothing", n)
	}
	if strings.Contains(log, "is left out") || strings.Contains(log, "were deleted before") {
		t.Error("a log tells of detections that were not counted")
	}
}

// teller waits until one of the processes says that it tells, and returns it.
func (p *processes) teller() int {
	p.t.Helper()
	const from, to = "this process tells from now on", "this process tells no more"
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for n := range p.logs {
			log := p.logs[n].String()
			if i := strings.LastIndex(log, from); i >= 0 && !strings.Contains(log[i:], to) && !strings.Contains(log[i:], "ended by ") {
				return n
			}
		}
	}
	p.t.Fatal("no process tells within a minute")
	return 0
}

// TestAlertsBehindRepartition: without sharing, posts that are repartitioned by a
// column of the groups bring each group to one process, which tells it once while
// partitions stay where they are.
func TestAlertsBehindRepartition(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about a minute")
	}
	b := kafkatest.Start(t)
	b.NeedReal(t, "for transactions")
	b.CreateTopic(t, "in", alertParts, nil)
	x, server := newTold(t)
	p := &processes{t: t, file: alertFolder(t, b, server.URL, "  - repartition: { by: author_id, topic: by-author, partitions: 4 }\n", "")}
	defer p.close()
	p.start(0)
	p.start(1)
	p.logged(`group=sluice-told-repartition partitions="[by-author`)
	b.Produce(t, alertMessages(0, alertPosts)...)
	x.waitOver(t)
	x.check(t, 0)
	for n := range p.logs {
		if !strings.Contains(p.logs[n].String(), "each alerts of the detections that it makes") {
			t.Errorf("process %d does not warn that its alerts are its own", n)
		}
	}
}
