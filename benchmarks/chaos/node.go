package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long a process may take to end after SIGTERM; its
// drain_timeout is shorter.
const stopTime = 20 * time.Second

// node is a slot for a process of the pipeline, with a folder for its
// checkpoint. Its faults come from one goroutine.
type node struct {
	r    *run
	slot int
	log  string

	mu      sync.Mutex
	folder  int // raised for a fresh one
	proc    *process
	ending  bool // the end of proc was asked for
	resting bool // no process is wanted
	done    sync.WaitGroup
}

// start starts the process, in a folder without a checkpoint if fresh.
func (n *node) start(fresh bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if fresh {
		n.folder++
	}
	dir := filepath.Join(n.r.dir, fmt.Sprintf("process-%d-%d", n.slot, n.folder))
	other := n.r.variant.mixed && hash(n.r.seed, uint64(n.slot<<16+n.folder))%2 == 0
	file, err := n.r.writePipeline(dir, n.r.member(), n.r.name, other)
	if err != nil {
		return err
	}
	if err := n.note("starts in %s", dir); err != nil {
		return err
	}
	p, err := startProcess(n.log, nil, n.r.bin, "run", "--quiet", file)
	if err != nil {
		return err
	}
	n.proc, n.ending, n.resting = p, false, false
	n.done.Go(func() { n.watch(p) })
	return nil
}

// note writes a line of this program's into the process's log.
func (n *node) note(format string, args ...any) error {
	f, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "chaos: %s: "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05.000")}, args...)...)
	return err
}

// endedByItself is what the tally calls the end of a process that nobody wanted.
const endedByItself = "ended by itself"

// watch starts the process again when it ended by itself, as a supervisor
// would, and counts that: no fault is a reason for it to end.
func (n *node) watch(p *process) {
	<-p.Ended
	n.r.tally.peak(peakMemory(p.Cmd.ProcessState))
	n.mu.Lock()
	asked := n.ending || n.proc != p
	n.mu.Unlock()
	if asked || n.r.ctx.Err() != nil {
		return
	}
	n.r.tally.add(endedByItself, 1)
	n.r.say("process %d ended by itself: %v\n%s", n.slot, p.Err, logTail(n.log, 12))
	time.Sleep(time.Second)
	n.mu.Lock()
	again := n.proc == p && !n.ending && !n.resting
	n.mu.Unlock()
	if again && n.r.ctx.Err() == nil {
		if err := n.start(false); err != nil {
			n.r.fail(err)
		}
	}
}

// end ends the process, if one runs.
func (n *node) end(how string, by func(*process) error) error {
	n.mu.Lock()
	p := n.proc
	n.ending, n.resting = true, true
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := n.note("%s", how); err != nil {
		return err
	}
	return by(p)
}

func (n *node) kill() error {
	return n.end("SIGKILL", func(p *process) error { p.Kill(); return nil })
}

func (n *node) terminate() error {
	return n.end("SIGTERM", func(p *process) error { return p.stop(stopTime) })
}

// fault does to the process what e says, and undoes it.
func (n *node) fault(ctx context.Context, e event) error {
	switch e.kind {
	case join:
		return n.start(false)
	case freeze, zombie:
		n.mu.Lock()
		p := n.proc
		n.mu.Unlock()
		if err := n.note("SIGSTOP for %s", e.lasts); err != nil {
			return err
		}
		p.Signal(syscall.SIGSTOP)
		err := sleep(ctx, e.lasts)
		p.Signal(syscall.SIGCONT)
		_ = n.note("SIGCONT") // the log is for people only
		return err
	case leave:
		if err := n.terminate(); err != nil {
			// While the store or the broker is away it can not drain: it says so.
			n.r.tally.add("stops that did not drain in time", 1)
			n.r.say("process %d on SIGTERM: %v\n%s", n.slot, err, logTail(n.log, 4))
		}
	default:
		if err := n.kill(); err != nil {
			return err
		}
	}
	if err := sleep(ctx, e.lasts); err != nil {
		return err
	}
	return n.start(e.fresh)
}

// pipelineText is the pipeline of all processes; what differs is filled in.
const pipelineText = `pipeline: chaos
source:
  kafka:
    brokers: [%q]
    topics: [%s]
    group: %s
%s    chunk_size: 32KiB
    settings: %s
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
%s  - rules: { files: ["rules/*.yaml"] }
sinks:
  - clickhouse: { dsn: %q, timeout: 10s }
engine:
  epoch: { rows: %d, interval: %s }
  drain_timeout: 8s
  retry: { max: 1s }
admin: { listen: "off" }
`

// otherList is a list without hits that no rule looks at: a config with it has
// another manifest, and gives the same rows.
const (
	otherList  = "        other:           { path: lists/other.txt }\n"
	otherTerms = "zqxjchaoskvwy\n"
)

// writePipeline puts the pipeline file, the lists and the rules into a folder,
// and returns the file. source has further lines of the source's config.
func (r *run) writePipeline(dir, source, database string, other bool) (string, error) {
	file := filepath.Join(dir, "chaos.yaml")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	for _, sub := range []string{"lists", "rules"} {
		if err := os.CopyFS(filepath.Join(dir, sub), os.DirFS(filepath.Join(r.root, "deploy/examples", sub))); err != nil {
			return "", err
		}
	}
	list := ""
	if other {
		list = otherList
		if err := os.WriteFile(filepath.Join(dir, "lists/other.txt"), []byte(otherTerms), 0o600); err != nil {
			return "", err
		}
	}
	rows, interval := r.epochRows, r.epochInterval
	if database == r.calm() { // where epochs end makes no difference: larger ones are sooner written
		rows, interval = 65_536, time.Second
	}
	settings := []string{`reconnect.backoff.max.ms: "500"`}
	if database == r.name && r.grouped() {
		settings = append(settings, r.variant.settings(r.pace.session)...)
	}
	text := fmt.Sprintf(pipelineText, r.broker.Servers, r.name, database, source, "{ "+strings.Join(settings, ", ")+" }",
		list, r.store.dsn(database), rows, interval)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// member is the source's config of a process among others.
func (r *run) member() string {
	assign := ""
	if r.grouped() {
		assign = "    assign: group\n"
	}
	return assign + fmt.Sprintf("    consumers: %d\n", r.variant.consumers)
}

// alone is that of the undisturbed run: it reads to the end, and ends.
func (r *run) alone() string { return "    follow: false\n" }

// variant is what is drawn from the seed beside faults and input.
type variant struct {
	protocol  string // classic or consumer (KIP-848)
	strategy  string // of the classic protocol
	consumers int    // in each process
	mixed     bool   // processes have one of two configs that give the same rows
	cold      bool   // the faults begin with the processes
}

func (v variant) String() string {
	s := fmt.Sprintf("protocol %s", v.protocol)
	if v.strategy != "" {
		s += ", " + v.strategy
	}
	s = fmt.Sprintf("%s, %d consumers a process", s, v.consumers)
	if v.mixed {
		s += ", two configs"
	}
	if v.cold {
		s += ", cold"
	}
	return s
}

// settings are those of librdkafka. The session of the protocol consumer is the
// broker's: internal/kafkatest sets it to 6 s.
func (v variant) settings(session time.Duration) []string {
	if v.protocol == "consumer" {
		return []string{"group.protocol: consumer"}
	}
	return []string{
		fmt.Sprintf(`session.timeout.ms: "%d"`, session.Milliseconds()),
		fmt.Sprintf(`heartbeat.interval.ms: "%d"`, session.Milliseconds()/6),
		"partition.assignment.strategy: " + v.strategy,
	}
}
