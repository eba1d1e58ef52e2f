package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// A changed file is taken up when two looks in a row, this far apart, found it
// the same: a writer may be in the middle of it, or of several files that belong
// together. After settleTries looks it is taken as it is.
const (
	settleTime  = 200 * time.Millisecond
	settleTries = 25
)

// maxLogged is how many changes of one reload the log tells of.
const maxLogged = 200

// reloader takes up changed files while the pipeline runs. It has a goroutine
// of its own, which builds a graph from the files and hands it to the engine;
// what runs is touched only when all of that has gone well.
type reloader struct {
	flags   *fileFlags
	path    string
	store   *checkpoint.Store
	swapper *engine.Swapper
	metrics *engine.Metrics
	log     *slog.Logger

	current *built          // what runs
	running checkpoint.Hash // its manifest
	watch   *graph.Watch    // the files as they were looked at last

	history history

	mark  string // of the last look, if that found a change
	looks int    // how many in a row have
}

// first returns the graph that the run begins with.
func (r *reloader) first() *graph.Graph { return r.current.graph }

// start begins to look for changes and to listen for SIGHUP; the returned
// function ends both. When SIGHUP means that the terminal has gone away, as
// hungUp tells, stop is called instead.
func (r *reloader) start(ctx context.Context, hup <-chan os.Signal, hungUp func() bool, stop func()) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.loop(ctx, hup, hungUp, stop)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *reloader) loop(ctx context.Context, hup <-chan os.Signal, hungUp func() bool, stop func()) {
	every := r.current.spec.Reload.Interval
	look := time.NewTimer(every)
	defer look.Stop()
	if !r.current.spec.Reload.Watch {
		look.Stop()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			if hungUp() {
				stop()
				return
			}
			r.reload(ctx, "SIGHUP")
		case <-look.C:
			if paths := r.due(); len(paths) > 0 {
				r.reload(ctx, strings.Join(paths[:min(len(paths), 10)], ", "))
			}
			if r.looks > 0 {
				look.Reset(min(every, settleTime))
			} else {
				look.Reset(every)
			}
		}
	}
}

// due returns the files that have changed, when it is time to take them up.
func (r *reloader) due() []string {
	c := r.watch.Changed()
	if len(c.Paths) > 0 && c.Mark != r.mark && r.looks < settleTries {
		r.mark, r.looks = c.Mark, r.looks+1
		return nil
	}
	r.mark, r.looks = "", 0
	return c.Paths
}

// errUnchanged says that the files say what runs already.
var errUnchanged = errors.New("nothing has changed")

// reload takes up what the files say now, or refuses it whole and says why.
func (r *reloader) reload(ctx context.Context, why string) {
	begun := time.Now()
	watch := graph.NewWatch()
	changes, err := r.attempt(ctx, watch)
	if err != nil && !errors.Is(err, errUnchanged) {
		watch.Keep(r.watch) // reading may have ended early
	}
	r.watch = watch
	took := time.Since(begun)
	tell := func(result engine.ReloadResult, errs []string) {
		r.metrics.Reloaded(result, took)
		r.history.add(attempt{At: begun.UTC(), Why: why, Result: result, Seconds: took.Seconds(), Manifest: r.running, Changes: changes, Errors: errs})
	}
	switch {
	case err == nil:
		tell(engine.ReloadApplied, nil)
		r.log.Info("reload: in force from the next epoch on", "why", why, "manifest", r.running, "changes", len(changes), "took", took.Round(time.Millisecond))
		for _, c := range changes[:min(len(changes), maxLogged)] {
			c.log(r.log)
		}
		if more := len(changes) - maxLogged; more > 0 {
			r.log.Info("reload: more has changed; GET /reloads of the admin port has it", "changes", more)
		}
	case errors.Is(err, errUnchanged):
		tell(engine.ReloadUnchanged, nil)
		r.log.Info("reload: nothing has changed", "why", why, "manifest", r.running)
	case errors.Is(err, engine.ErrEnded), ctx.Err() != nil:
		// The run is over: the next one begins with the files as they are.
	default:
		lines := strings.Split(err.Error(), "\n")
		tell(engine.ReloadRefused, lines)
		r.log.Error("reload: refused; what ran goes on", "why", why, "manifest", r.running)
		for _, line := range lines {
			r.log.Error("reload: refused", "error", line)
		}
	}
}

// attempt builds what the files say and hands it to the engine. It returns how
// it differs from what ran before.
func (r *reloader) attempt(ctx context.Context, watch *graph.Watch) ([]change, error) {
	spec, err := r.flags.load(r.path, watch)
	if err != nil {
		return nil, err
	}
	if err := sameSettings(spec, r.current.spec); err != nil {
		return nil, err
	}
	next, err := assemble(spec, watch, r.log, graph.Options{Mem: r.current.graph.Mem, Previous: r.current.graph})
	if err != nil {
		return nil, err
	}
	if err := next.graph.CanReplace(r.current.graph); err != nil {
		return nil, err
	}
	manifest, err := next.describe()
	if err != nil {
		return nil, err
	}
	if manifest == r.running {
		return nil, errUnchanged
	}
	if _, err := next.store(r.store); err != nil {
		return nil, err
	}
	changes := difference(r.current, next, r.store)
	if err := r.swapper.Swap(ctx, next.graph, manifest); err != nil {
		if ctx.Err() == nil { // otherwise it may have been taken
			r.store.Release(manifest)
		}
		return nil, err
	}
	r.current, r.running = next, manifest
	return changes, nil
}

// sameSettings refuses changes of what is read at the start only.
func sameSettings(now, was *config.Spec) error {
	var errs []error
	for _, key := range config.Changed(now, was) {
		errs = append(errs, fmt.Errorf("%s: %s has changed", now.Path, key))
	}
	if len(errs) == 0 {
		return nil
	}
	return &graph.RestartError{Err: errors.Join(errs...)}
}
