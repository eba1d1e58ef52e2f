package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// result is what a run has shown.
type result struct {
	run            *run
	begun          time.Time
	faults         time.Duration // from the begin to the end of the faults
	drained        time.Duration // then until all was written
	calm, compared time.Duration // the undisturbed run, the comparison
	epochs         int
	rows           []rowCount
	faulty         []string // what is wrong, in words
}

// rowCount is the number of rows of a table, undisturbed and disturbed.
type rowCount struct {
	table      string
	calm, wild uint64
}

// maxWrong bounds what is said of one thing that is wrong, in bytes.
const maxWrong = 8000

func (res *result) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxWrong {
		text = text[:maxWrong] + "..."
	}
	res.faulty = append(res.faulty, text)
}

// count is called for the undisturbed table first.
func (res *result) count(table string, calm bool, n uint64) {
	if calm {
		res.rows = append(res.rows, rowCount{table: table, calm: n})
	} else {
		res.rows[len(res.rows)-1].wild = n
	}
}

// equal is the verdict.
func (res *result) equal() bool { return len(res.faulty) == 0 }

func (res *result) verdict() string {
	if res.equal() {
		return "equal"
	}
	return "DIFFERENT"
}

// came matches what the source logs when the group gives it partitions, and
// lost what it logs when they went before it could give them up.
var (
	came = regexp.MustCompile(`partitions came.*partitions="?\[[^\]]`)
	lost = regexp.MustCompile(`partitions went.* lost=true`)
)

// logged returns how often the processes logged something.
func (res *result) logged(what *regexp.Regexp) (n int) {
	for _, node := range res.run.nodes {
		if data, err := os.ReadFile(node.log); err == nil { // a slot that was never used has none
			n += len(what.FindAll(data, -1))
		}
	}
	return n
}

// sum adds up the faults whose name has the prefix.
func (res *result) sum(prefix string) (n int) {
	for name, count := range res.run.tally.counts {
		if strings.HasPrefix(name, prefix) {
			n += count
		}
	}
	return n
}

// String is the report of one run, in Markdown.
func (res *result) String() string {
	r := res.run
	var b strings.Builder
	fmt.Fprintf(&b, "Seed %d: %s posts, %d partitions, %d processes (at most %d), %s. Broker: %s.\n\n", r.seed, group(uint64(r.posts)), r.partitions, r.processes, r.most, r.variant, brokerName(r))
	fmt.Fprintf(&b, "| | |\n|---|---:|\n| acknowledged messages | %s |\n| of them poison, tombstones | %d, %d |\n", group(uint64(r.producer.acked.Load())), r.in.count(isPoison), r.in.count(isTombstone))
	fmt.Fprintf(&b, "| time with faults | %.0f s |\n| then until all was written | %.1f s |\n| undisturbed run | %.1f s |\n| comparison | %.1f s |\n| epochs | %s |\n| partitions given to a process | %d times |\n| partitions lost by a process | %d times |\n", res.faults.Seconds(), res.drained.Seconds(), res.calm.Seconds(), res.compared.Seconds(), group(uint64(res.epochs)), res.logged(came), res.logged(lost))
	if r.tally.memory > 0 {
		fmt.Fprintf(&b, "| largest memory of a process | %d MiB |\n", r.tally.memory>>20)
	}
	for _, name := range slices.Sorted(maps.Keys(r.tally.counts)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, r.tally.counts[name])
	}
	b.WriteString("\n| table | rows, undisturbed | rows |\n|---|---:|---:|\n")
	for _, c := range res.rows {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.table, group(c.calm), group(c.wild))
	}
	fmt.Fprintf(&b, "\nVerdict: **%s**.\n", res.verdict())
	if !res.equal() {
		fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Join(res.faulty, "\n"))
	}
	return b.String()
}

func brokerName(r *run) string {
	if r.broker.Real() {
		return filepath.Base(os.Getenv("KAFKA_LIB_PATH"))
	}
	return "librdkafka's mock cluster"
}

// seedsHead and line make the table of many short runs.
const seedsHead = "| seed | settings | faults of processes, broker, store | assignments | epochs | posts | detections | drained in | verdict |\n|---:|---|---|---:|---:|---:|---:|---:|---|\n"

func (res *result) line() string {
	posts, detections := uint64(0), uint64(0)
	for _, c := range res.rows {
		switch c.table {
		case "posts":
			posts = c.wild
		case "detections":
			detections = c.wild
		}
	}
	return fmt.Sprintf("| %d | %s | %d, %d, %d | %d | %d | %s | %s | %.1f s | %s |\n", res.run.seed, res.run.variant,
		res.sum("process: "), res.sum("broker: "), res.sum("store: "), res.logged(came), res.epochs, group(posts), group(detections), res.drained.Seconds(), res.verdict())
}

// group writes a number with its thousands apart.
func group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeSums writes the faults of many runs.
func writeSums(b *strings.Builder, sums map[string]int) {
	b.WriteString("Faults in all:\n\n| | |\n|---|---:|\n")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(b, "| %s | %d |\n", name, sums[name])
	}
}
