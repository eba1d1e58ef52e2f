package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// watchSink notes when epochs were read, and fails the first write of each.
type watchSink struct {
	read map[pipeline.Key]time.Time
	err  error
}

func (w *watchSink) Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{Name: "watch", Takes: []pipeline.Stream{pipeline.Posts}},
		func() registerConfig { return registerConfig{} },
		func(pipeline.BuildContext, *registerConfig, pipeline.Schemas) (pipeline.SinkPlan, error) {
			return w, nil
		})
}

func (w *watchSink) New() (pipeline.Sink, error) { return w, nil }
func (*watchSink) Open(context.Context) error    { return nil }
func (*watchSink) Close(context.Context) error   { return nil }

func (w *watchSink) Write(ctx context.Context, key pipeline.Key, _ []pipeline.Batch) error {
	at, ok := pipeline.ReadTime(ctx)
	switch before, again := w.read[key]; {
	case !ok:
		w.err = errors.New("a write without a time of reading")
	case again && !at.Equal(before):
		w.err = errors.New("a write that is tried again says another time")
	case !again:
		w.read[key] = at
		return pipeline.Retryable(errors.New("the first of two"))
	}
	return nil
}

// TestReadTime: each write is told when its rows had been read, and the same
// when it is tried again.
func TestReadTime(t *testing.T) {
	r := newRig(t, map[string][]string{"a": posts(300, "p")})
	w := &watchSink{read: map[pipeline.Key]time.Time{}}
	r.factory = w.Factory
	begun := time.Now()
	if err := r.run(context.Background(), context.Background(), "pipeline: test\nsource: {lines: {}}\nsinks:\n  - watch: {}\n"); err != nil {
		t.Fatal(err)
	}
	if w.err != nil {
		t.Fatal(w.err)
	}
	if len(w.read) < 5 {
		t.Errorf("%d epochs were written", len(w.read))
	}
	for key, at := range w.read {
		if at.Before(begun) || at.After(time.Now()) {
			t.Errorf("%s was read at %s, want between %s and now", key, at, begun)
		}
	}
}
