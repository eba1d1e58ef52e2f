package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sluicehq/sluice/internal/admin"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
)

func runCommand() *cobra.Command {
	var f fileFlags
	var quiet bool
	var profile string
	c := &cobra.Command{
		Use:   "run PIPELINE.yaml",
		Short: "Run a pipeline until its source ends, or SIGINT or SIGTERM",
		Long: `Run a pipeline. It goes on where the last run stopped, however that ended.

The first SIGINT or SIGTERM stops reading and writes what was read; a second one
stops at once, and the next run finishes what was begun.

SIGHUP takes up what has changed in the pipeline file and in the lists, rules
and models that it names, between two epochs and without stopping. So does a
change of one of these files by itself, unless reload.watch is false. A change
that is wrong is refused whole, with the errors that validate would print, and
what ran goes on. The source, the sinks, and the sections engine, checkpoint,
reload, admin, tracing and log can be changed by a restart only. When the terminal that
the run was started from goes away, SIGHUP stops it as SIGTERM does.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return profiled(profile, func() error { return run(c.Context(), args[0], &f, c.ErrOrStderr(), quiet) })
		},
	}
	f.add(c)
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress and no summary")
	c.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile to this file")
	return c
}

// profiled calls f and writes a CPU profile of it to path, unless that is empty.
func profiled(path string, f func() error) (err error) {
	if path == "" {
		return f()
	}
	out, err := os.Create(path)
	if err != nil {
		return usage(err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

func run(ctx context.Context, path string, f *fileFlags, stderr io.Writer, quiet bool) (err error) {
	if ctx == nil {
		ctx = context.Background()
	}
	hup := make(chan os.Signal, 1) // one that comes while another is at work stands for all
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	out := newConsole(stderr)
	b, err := f.build(path, out, graph.Options{})
	if err != nil {
		return err
	}
	log := b.log
	drain, abort, endDrain, stop := signals(ctx)
	defer stop()

	if _, err := b.describe(); err != nil {
		return err
	}
	for _, caution := range b.cut.cautions() {
		log.Warn(caution.Error())
	}
	parts, closeParts, err := newParts(b)
	if err != nil {
		return err
	}
	defer closeParts()
	manifest, err := b.store(stores(parts)...)
	if err != nil {
		return err
	}
	collectors := collectorsOf(parts)
	var tracer pipeline.Tracer // nil, not a nil of a type, when there is none
	x, endTracing, err := startTracing(ctx, b.spec.Tracing, log)
	if err != nil {
		return err
	}
	defer endTracing()
	if x != nil {
		tracer, collectors = x, append(collectors, x)
	}
	// From here on only the reloader holds what was built: another may take its
	// place.
	r := &reloader{flags: f, path: path, parts: parts, log: log, current: b, running: manifest, watch: b.watch}
	if b.spec.Admin.Enabled() {
		srv, err := startAdmin(b.spec, collectors, figures(parts), r, log)
		if err != nil {
			return err
		}
		defer srv.Stop(context.WithoutCancel(ctx))
	}
	begun := time.Now()
	endProgress := func() {}
	if !quiet {
		endProgress = out.progress(figures(parts))
	}
	if err := b.cut.makeTopic(drain, log); err != nil {
		endProgress()
		return unlessStopped(drain, err)
	}
	set := settings(b.spec)
	options := make([]engine.Options, len(parts))
	for i, p := range parts {
		options[i] = engine.Options{
			Settings: set, Graph: r.first(i), Store: p.store, Manifest: manifest, Swapper: p.swapper,
			Rebuild: rebuild(b.spec, b.graph.Mem, p.store, log, i), Abort: abort, Metrics: p.metrics, Logger: p.log, Tracer: tracer,
		}
	}
	endReload := r.start(drain, hup, out.hungUp, endDrain)
	err = unlessStuck(abort, func() error { return runParts(drain, endDrain, options, log) })
	endReload()
	endProgress()
	if !quiet {
		out.summary(figures(parts).Totals(), time.Since(begun), err)
	}
	return err
}

// startAdmin begins to serve metrics, health and what reloads have changed.
func startAdmin(spec *config.Spec, collectors []prometheus.Collector, m figures, r *reloader, log *slog.Logger) (*admin.Server, error) {
	a := spec.Admin
	path := func(p string) string {
		if p == "" {
			return ""
		}
		return spec.Resolve(p)
	}
	srv, err := admin.Start(admin.Options{
		Listen: a.Listen, Token: a.Token, MetricsToken: a.MetricsToken, OpenMetrics: a.OpenMetrics,
		Cert: path(a.TLS.Cert), Key: path(a.TLS.Key), ClientCA: path(a.TLS.ClientCA),
		Collectors: collectors, Ready: m.Ready, Reloads: r.history.told, Log: log,
	})
	if err != nil {
		return nil, err
	}
	log.Info("admin server listens", "address", srv.Addr(), "tls", a.TLS.Cert != "", "token", a.Token != "")
	return srv, nil
}

// abortGrace is how long a run may take to end after the order to end at once.
const abortGrace = 2 * time.Second

// unlessStuck calls f, and gives it up when it does not return soon after abort
// ended: a sink may be blocked in a write that no context ends. The process
// ends then, which is safe as a kill is: the next run goes on.
func unlessStuck(abort context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-abort.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(abortGrace):
		return fmt.Errorf("%w (something did not stop within %s)", engine.ErrAborted, abortGrace)
	}
}

func settings(spec *config.Spec) engine.Settings {
	e := spec.Engine
	return engine.Settings{
		Workers: e.Workers, EpochRows: e.Epoch.Rows, EpochBytes: int64(e.Epoch.Bytes), EpochInterval: e.Epoch.Interval,
		InFlight: e.InFlight, DrainTimeout: e.DrainTimeout, RetryInitial: e.Retry.Initial, RetryMax: e.Retry.Max,
		SnapshotInterval: e.SnapshotInterval, Lateness: e.Lateness,
	}
}

// console shares standard error between the log and the progress line: a log
// line replaces the progress line, which is drawn again under it.
type console struct {
	w    io.Writer
	mu   sync.Mutex
	line string // the progress line that is on the screen

	wasTerminal bool // at the start
}

func newConsole(w io.Writer) *console {
	c := &console{w: w}
	_, c.wasTerminal = c.terminal()
	return c
}

// Write writes log lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.w.Write(p)
	}
	if _, err := fmt.Fprintf(c.w, "\r\x1b[K%s%s", p, c.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hungUp tells whether a terminal that was there at the start has gone away.
func (c *console) hungUp() bool {
	f, isFile := c.w.(*os.File)
	return c.wasTerminal && isFile && !term.IsTerminal(int(f.Fd()))
}

// draw replaces the progress line.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = line
	fmt.Fprintf(c.w, "\r\x1b[K%s", line)
}

// terminal returns the width of the terminal; ok is false for a file or pipe.
func (c *console) terminal() (width int, ok bool) {
	f, isFile := c.w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil && width > 20
}

// progress shows where the run is: a bar that is drawn over and over on a
// terminal, a plain line every ten seconds elsewhere. The returned function
// ends it.
func (c *console) progress(m figures) (end func()) {
	every := 200 * time.Millisecond
	if _, ok := c.terminal(); !ok {
		every = 10 * time.Second
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		r := rates{begun: time.Now()}
		for {
			select {
			case <-done:
				if _, ok := c.terminal(); ok {
					c.draw("")
				}
				return
			case <-tick.C:
			}
			t := m.Totals()
			rate := r.rate(t.Records)
			left, total, unit, known := m.Lag()
			if width, ok := c.terminal(); ok {
				c.draw(bar(width, t, rate, left, total, unit, known))
			} else {
				fmt.Fprintf(c, "sluice: %s posts, %s/s, %s detections, %s rejected%s\n",
					group(t.Posts), group(int64(rate)), group(t.Detections), group(t.Rejected), lagText(left, total, unit, known))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// summary tells what the run did.
func (c *console) summary(t engine.Totals, took time.Duration, err error) {
	state := "done"
	if err != nil {
		state = "stopped"
	}
	rows := t.Posts + t.Rejected
	fmt.Fprintf(c, "sluice: %s: %s records in %s (%s/s): %s posts, %s rejected, %s detections, %s epochs\n",
		state, group(rows), took.Round(10*time.Millisecond), group(int64(float64(rows)/max(took.Seconds(), 1e-3))),
		group(t.Posts), group(t.Rejected), group(t.Detections), group(t.Epochs))
}
