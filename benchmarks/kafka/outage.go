package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"
)

// steady is how long posts flow before ClickHouse goes away, and after all has
// been caught up with.
const steady = 20 * time.Second

// outage takes ClickHouse away while posts go on coming, and looks at the
// pipeline's memory, at how fast it catches up, and that each post is there
// once.
func outage(ctx context.Context, e *env, report *strings.Builder) error {
	j := job{topic: "outage", messages: "post", database: "outage"}
	if err := e.prepare(j); err != nil {
		return err
	}
	produce, stop := context.WithCancel(ctx)
	defer stop()
	sent := &ledger{posts: map[int64]uint64{}}
	var produced error
	var done sync.WaitGroup
	done.Go(func() { produced = e.live(produce, j.topic, sent) })
	if err := sleep(ctx, 500*time.Millisecond); err != nil { // the topic is made
		return err
	}
	p, err := e.start(j)
	if err != nil {
		return err
	}
	defer p.Kill()
	m := &rss{process: p, phase: "before", begun: time.Now(), sent: sent}
	if err := m.watch(ctx, steady, nil); err != nil {
		return err
	}
	before := m.most
	m.most = 0
	say("ClickHouse goes away for %s; resident %d MiB", e.outage, before>>20)
	if e.how == "kill" {
		e.store.Kill()
	} else {
		e.store.Signal(syscall.SIGSTOP)
	}
	m.phase = "away"
	if err := m.watch(ctx, e.outage, nil); err != nil {
		return err
	}
	during := m.most
	if e.how == "kill" {
		if err := e.startStore(ctx); err != nil {
			return err
		}
	} else {
		e.store.Signal(syscall.SIGCONT)
	}
	m.phase, m.most = "back", 0
	back, first := time.Now(), e.count(ctx, j.database)
	behind := sent.total() - first
	caught := func() bool { return e.count(ctx, j.database)+3*uint64(e.rate) >= sent.total() } // what is always under way
	if err := m.watch(ctx, 4*e.outage+10*time.Minute, caught); err != nil {
		return err
	}
	took := time.Since(back)
	rate := float64(e.count(ctx, j.database)-first) / took.Seconds()
	if !caught() {
		return fmt.Errorf("it has not caught up after %s", took.Round(time.Second))
	}
	stop()
	done.Wait()
	for end := time.Now().Add(time.Minute); e.count(ctx, j.database) < sent.total() && time.Now().Before(end); {
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if err := errors.Join(produced, p.stop(), e.check(ctx, j.database, sent.total())); err != nil {
		return err
	}
	fmt.Fprintf(report, "ClickHouse away for %s (%s) while %d posts/s come, 1 post a message; load at the end %s\n\n", e.outage, e.how, e.rate, load())
	fmt.Fprintf(report, "| | |\n|---|---|\n| resident memory of the pipeline, most before / while away / while it catches up | %d / %d / %d MiB |\n", before>>20, during>>20, m.most>>20)
	fmt.Fprintf(report, "| behind when ClickHouse is back | %d posts |\n| until it has caught up | %s, %.0f posts/s visible while %d/s come |\n| posts in the end | %d, each once |\n\n",
		behind, took.Round(time.Second), rate, e.rate, sent.total())
	report.WriteString("Resident memory, MiB, by seconds since the pipeline's start:\n\n| s | | MiB | posts written to the topic |\n|---:|---|---:|---:|\n")
	for _, s := range m.series {
		fmt.Fprintf(report, "| %.0f | %s | %d | %d |\n", s.at.Seconds(), s.phase, s.bytes>>20, s.sent)
	}
	report.WriteByte('\n')
	return e.conn.Exec(ctx, "DROP DATABASE "+j.database)
}

// rss looks at a process's memory every half second.
type rss struct {
	process *process
	begun   time.Time
	sent    *ledger
	phase   string
	most    int64
	series  []sample // one in 20 s
}

type sample struct {
	at    time.Duration
	phase string
	bytes int64
	sent  uint64
}

// watch looks for so long, or until a condition that is tried every half second.
func (m *rss) watch(ctx context.Context, lasts time.Duration, until func() bool) error {
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if err := m.process.failed(); err != nil {
			return err
		}
		now, bytes := time.Since(m.begun), m.process.resident()
		m.most = max(m.most, bytes)
		if n := len(m.series); n == 0 || now-m.series[n-1].at >= 20*time.Second || m.series[n-1].phase != m.phase {
			m.series = append(m.series, sample{now, m.phase, bytes, m.sent.total()})
		}
		if until != nil && until() {
			return nil
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
