// Command kafka measures the way from Kafka to ClickHouse and to an alert: a
// real broker, `sluice clickhouse serve` and `sluice run`, each a process of its
// own, on one machine. See README.md beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	measures   []string
	posts      int
	rounds     int
	processes  []int
	partitions int
	rate       int
	lasts      time.Duration
	outage     time.Duration
	how        string
	engine     string
	bin, write string
}

func main() {
	var o options
	measures := flag.String("measure", "throughput,latency,outage", "what to measure, of throughput, latency and outage")
	processes := flag.String("processes", "1", "numbers of processes of the pipeline, such as 1,2,3; more than one are a consumer group")
	flag.IntVar(&o.posts, "posts", 1_000_000, "posts of each round of throughput")
	flag.IntVar(&o.rounds, "rounds", 5, "measured rounds of throughput, after one that warms up")
	flag.IntVar(&o.partitions, "partitions", 12, "partitions of each topic")
	flag.IntVar(&o.rate, "rate", 10_000, "posts a second of latency and outage")
	flag.DurationVar(&o.lasts, "time", time.Minute, "how long latency is measured, after 10 seconds that warm up")
	flag.DurationVar(&o.outage, "outage", 10*time.Minute, "how long ClickHouse is away")
	flag.StringVar(&o.how, "how", "kill", "how ClickHouse goes away: kill (SIGKILL, and a new start) or stop (SIGSTOP, and SIGCONT)")
	flag.StringVar(&o.engine, "engine", "", "YAML of the pipeline's engine, such as {epoch: {interval: 500ms}}; default: its defaults")
	flag.StringVar(&o.bin, "bin", "bin/sluice", "the program")
	flag.StringVar(&o.write, "write", "", "append the report to this file too")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := o.parse(*measures, *processes)
	if err == nil {
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

func (o *options) parse(measures, processes string) error {
	o.measures = strings.Split(measures, ",")
	for n := range strings.SplitSeq(processes, ",") {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 || v > o.partitions {
			return fmt.Errorf("-processes %s: write numbers from 1 to the number of partitions, such as 1,2,3", processes)
		}
		o.processes = append(o.processes, v)
	}
	if o.how != "kill" && o.how != "stop" {
		return fmt.Errorf("-how %s: use kill or stop", o.how)
	}
	return nil
}

// run measures and prints the report.
func (o *options) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "sluice-bench-kafka-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := newEnv(ctx, dir, o)
	if err != nil {
		return err
	}
	defer e.close()
	var report strings.Builder
	for _, what := range o.measures {
		measure := map[string]func(context.Context, *env, *strings.Builder) error{
			"throughput": throughput, "latency": latency, "outage": outage,
		}[what]
		if measure == nil {
			return fmt.Errorf("-measure %s: use throughput, latency and outage", what)
		}
		fmt.Fprintf(&report, "%d cores, %s, load %s; broker, ClickHouse, pipeline and this program share them; %d partitions\n\n", runtime.NumCPU(), cpuModel(), load(), o.partitions)
		if err := measure(ctx, e, &report); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	fmt.Print(report.String())
	if o.write == "" {
		return nil
	}
	f, err := os.OpenFile(o.write, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(report.String())
	return errors.Join(err, f.Close())
}

// cpuModel returns the processor's name.
func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo") // absent on other systems
	for line := range strings.Lines(string(data)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// load returns the load average of the last minute, when it is known.
func load() string {
	data, _ := os.ReadFile("/proc/loadavg") // absent on other systems
	if first, _, ok := strings.Cut(string(data), " "); ok {
		return first
	}
	return "unknown"
}
