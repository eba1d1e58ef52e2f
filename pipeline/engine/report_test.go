package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// diary is what two sinks do, in its order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// sinkOf does nothing but write a diary.
type sinkOf struct {
	*diary
	name string
	err  error // of opening
}

func (s *sinkOf) Open(context.Context) error  { s.add("open " + s.name); return s.err }
func (s *sinkOf) Close(context.Context) error { s.add("close " + s.name); return nil }
func (s *sinkOf) Write(context.Context, pipeline.Key, []pipeline.Batch) error {
	return nil
}

// keeping keeps reports.
type keeping struct{ sinkOf }

func (k *keeping) KeepReport(_ context.Context, r pipeline.Report) error {
	k.add("keep " + r.Table)
	return nil
}

// reporting reports when it is opened and when it is closed, and looks at the
// progress with each write.
type reporting struct {
	sinkOf
	keep     pipeline.KeepReport
	progress func() pipeline.Progress
	seen     []pipeline.Progress
}

func (r *reporting) ReportTo(keep pipeline.KeepReport) { r.add("introduced"); r.keep = keep }

func (r *reporting) WatchProgress(progress func() pipeline.Progress) { r.progress = progress }

func (r *reporting) Open(ctx context.Context) error {
	if r.keep != nil {
		if err := r.keep(ctx, pipeline.Report{Table: "early"}); err == nil || !strings.Contains(err.Error(), "not open yet") {
			r.add("a report before the store is open: " + errText(err))
		}
	}
	return r.sinkOf.Open(ctx)
}

func (r *reporting) Write(context.Context, pipeline.Key, []pipeline.Batch) error {
	time.Sleep(time.Millisecond)
	r.seen = append(r.seen, r.progress())
	return nil
}

func (r *reporting) Close(ctx context.Context) error {
	if r.keep != nil {
		r.add("last report: " + errText(r.keep(ctx, pipeline.Report{Table: "late"})))
	}
	return r.sinkOf.Close(ctx)
}

func errText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// planOf is a plan of sinks that are there already.
type planOf struct{ sink pipeline.Sink }

func (p planOf) New() (pipeline.Sink, error) { return p.sink, nil }

// runSinks runs a pipeline with these sinks.
func runSinks(t *testing.T, sinks ...pipeline.Sink) error {
	t.Helper()
	r := newRig(t, map[string][]string{"a": posts(200, "p")})
	planned := 0
	r.factory = func() pipeline.Factory {
		f := r.sink.Factory()
		f.PlanSink = func(pipeline.BuildContext, any, pipeline.Schemas) (pipeline.SinkPlan, error) {
			planned++
			return planOf{sinks[planned-1]}, nil
		}
		return f
	}
	yaml := tallied[:strings.Index(tallied, "sinks:")] + "sinks:\n" + strings.Repeat("  - memory: {}\n", len(sinks))
	return r.run(context.Background(), context.Background(), yaml)
}

// TestReporters: a reporter is opened before what keeps its reports, and closed
// while that is still open, wherever the config has them.
func TestReporters(t *testing.T) {
	want := []string{"introduced", "open alert", "open store", "last report: no error", "close alert", "close store"}
	for _, storeFirst := range []bool{true, false} {
		d := &diary{}
		store, alert := &keeping{sinkOf{diary: d, name: "store"}}, &reporting{sinkOf: sinkOf{diary: d, name: "alert"}}
		sinks := []pipeline.Sink{alert, store}
		if storeFirst {
			slices.Reverse(sinks)
		}
		if err := runSinks(t, sinks...); err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(slices.Clone(d.lines), func(l string) bool { return l == "keep late" })
		if !slices.Equal(got, want) || !slices.Contains(d.lines, "keep late") {
			t.Errorf("store first %v: got %q", storeFirst, d.lines)
		}
		for i, p := range alert.seen { // something is being written all the time
			if p.Stalled <= 0 || p.Stalled > time.Minute || p.Idle > time.Minute {
				t.Errorf("write %d: %+v", i, p)
			}
		}
	}
	// Where nobody keeps reports, nobody is asked for any.
	d := &diary{}
	if err := runSinks(t, &reporting{sinkOf: sinkOf{diary: d, name: "alert"}}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.lines, []string{"open alert", "close alert"}) {
		t.Errorf("alone: %q", d.lines)
	}
	// A sink that was not opened is not closed.
	d = &diary{}
	err := runSinks(t, &sinkOf{diary: d, name: "a"}, &sinkOf{diary: d, name: "b", err: errors.New("no")}, &sinkOf{diary: d, name: "c"})
	if err == nil || !slices.Equal(d.lines, []string{"open a", "open b", "close a", "close b"}) {
		t.Errorf("%v: %q", err, d.lines)
	}
}
