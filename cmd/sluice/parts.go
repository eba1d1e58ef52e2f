package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/engine"
)

// part is what a part of a run has of its own: see cut.
type part struct {
	store   *checkpoint.Store
	swapper *engine.Swapper
	metrics *engine.Metrics
	log     *slog.Logger
}

// newParts opens what the parts of a run need. The checkpoint of the first is
// that of a pipeline without a repartition step; that of the second has the
// step's name behind its own.
func newParts(b *built) (parts []*part, closeAll func(), err error) {
	closeAll = func() {
		for _, p := range parts {
			p.store.Close()
		}
	}
	for i := range b.cut.parts {
		path, log := b.spec.Resolve(b.spec.Checkpoint.Path), b.log
		if len(b.cut.parts) > 1 {
			log = log.With("part", strconv.Itoa(i+1))
		}
		if i > 0 {
			path += "-" + b.cut.step
		}
		store, err := checkpoint.Open(path, checkpoint.Options{Pipeline: b.spec.Pipeline, Fsync: b.spec.Checkpoint.Fsync})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		parts = append(parts, &part{store: store, swapper: engine.NewSwapper(), metrics: engine.NewMetrics(), log: log})
	}
	return parts, closeAll, nil
}

func stores(parts []*part) (out []*checkpoint.Store) {
	for _, p := range parts {
		out = append(out, p.store)
	}
	return out
}

// collectorsOf returns the metrics of the parts; when there are two, with a label
// that tells them apart.
func collectorsOf(parts []*part) (out []prometheus.Collector) {
	for i, p := range parts {
		var c prometheus.Collector = p.metrics
		if len(parts) > 1 {
			c = prometheus.WrapCollectorWith(prometheus.Labels{"part": strconv.Itoa(i + 1)}, p.metrics)
		}
		out = append(out, c)
	}
	return out
}

// figures are the metrics of all parts.
type figures []*part

// Ready reports whether all parts are at work.
func (f figures) Ready() bool {
	for _, p := range f {
		if !p.metrics.Ready() {
			return false
		}
	}
	return true
}

// Totals returns what the first part has read, and what all have made of it.
func (f figures) Totals() engine.Totals {
	t := f[0].metrics.Totals()
	for _, p := range f[1:] {
		more := p.metrics.Totals()
		t.Detections, t.Rejected, t.Epochs = t.Detections+more.Detections, t.Rejected+more.Rejected, t.Epochs+more.Epochs
	}
	return t
}

// Lag returns what the first part has left to read.
func (f figures) Lag() (left, total int64, unit string, known bool) { return f[0].metrics.Lag() }

// unlessStopped returns nil for an error that is of the stop.
func unlessStopped(drain context.Context, err error) error {
	if drain.Err() != nil && errors.Is(err, drain.Err()) {
		return nil
	}
	return err
}

// runParts runs the parts until drain ends, or one of them fails. A stop drains
// them one after the other, so that the second writes what the first has sent
// it. When the first part's source is at its end, the second goes on: other
// processes may send it more.
func runParts(drain context.Context, endDrain func(), options []engine.Options, log *slog.Logger) error {
	if len(options) == 1 {
		return engine.Run(drain, options[0])
	}
	behind, endBehind := context.WithCancel(context.WithoutCancel(drain))
	defer endBehind()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() {
		errs[0] = engine.Run(drain, options[0])
		if errs[0] == nil && drain.Err() == nil {
			log.Info("the source has ended; the part behind the repartition step goes on until it is stopped")
			<-drain.Done()
		}
		endBehind()
	})
	wg.Go(func() {
		errs[1] = engine.Run(behind, options[1])
		endDrain() // it failed, or it was stopped
	})
	wg.Wait()
	return errors.Join(errs[:]...)
}
