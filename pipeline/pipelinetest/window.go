package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// lateness and tick, in ms, are those of the watermark in rebuilds.
const (
	lateness = 2000
	tick     = 1000
)

// windowed checks the promise of a plan that is a pipeline.Windowed.
func (c *OperatorCase) windowed(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := c.Input(t, mem)
	defer rec.Release()
	plan := c.plan(t, mem, rec.Schema())
	w, ok := plan.(pipeline.Windowed)
	if !ok {
		t.Skip("the plan is not a pipeline.Windowed")
	}
	if err := rebuilds(t, plan, w.Window(), rec); err != nil {
		t.Error(err)
	}
}

// rebuilds runs the rows through one operator, row by row, and from many places on
// through fresh ones that are given the last window only: these must emit the same
// from there on.
func rebuilds(t testing.TB, plan pipeline.Plan, window time.Duration, rec arrow.Record) error {
	rows := int(rec.NumRows())
	times := rec.Column(rec.Schema().FieldIndices(pipeline.ColCreatedAt)[0]).(*array.Timestamp).TimestampValues()
	latest := make([]int64, rows+1) // before each row
	latest[0] = -1 << 62
	for i, at := range times {
		latest[i+1] = max(latest[i], int64(at))
	}
	whole, err := drive(t, plan, rec, 0)
	if err != nil {
		return err
	}
	built := 0
	for at := 1; at <= rows; at += 1 + rows/100 {
		from := 0
		for from < at && latest[from+1] <= floor(latest[at]-lateness)-window.Milliseconds() {
			from++
		}
		if from == 0 {
			continue
		}
		built++
		again, err := drive(t, plan, rec, from)
		if err != nil {
			return err
		}
		for i := at; i <= rows; i++ {
			if !slices.Equal(whole[i], again[i-from]) {
				return fmt.Errorf("a fresh operator that was given row %d on, the window of %s at row %d, emits at row %d\n%q, but the one that was given all rows emits\n%q",
					from, window, at, i, again[i-from], whole[i])
			}
		}
	}
	if built == 0 {
		return errors.New("the case's rows do not go beyond the window of the plan: they show nothing of it; add rows, or make it shorter")
	}
	return nil
}

// drive gives a fresh operator the rows from one on, with calls of Advance as the
// engine makes them, and returns what it emits at each, and at a last call of
// Advance behind them.
func drive(t testing.TB, plan pipeline.Plan, rec arrow.Record, from int) (out [][]string, err error) {
	op, ok := plan.New().(pipeline.Stateful)
	if !ok {
		return nil, fmt.Errorf("%T has a window and no state", plan)
	}
	seen, ctx := int64(-1<<62), context.Background()
	for r := from; r <= int(rec.NumRows()); r++ {
		var lines []string
		emit := func(b pipeline.Batch) error {
			defer b.Record.Release()
			for _, l := range Lines(t, b.Record) {
				lines = append(lines, b.Stream.String()+" "+l)
			}
			return nil
		}
		if r == int(rec.NumRows()) {
			err = op.Advance(ctx, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), emit)
			return append(out, lines), err
		}
		row := rec.NewSlice(int64(r), int64(r+1))
		now := max(seen, int64(row.Column(row.Schema().FieldIndices(pipeline.ColCreatedAt)[0]).(*array.Timestamp).Value(0)))
		if floor(now-lateness) > floor(seen-lateness) {
			err = op.Advance(ctx, time.UnixMilli(floor(now-lateness)).UTC(), emit)
		}
		seen = now
		if err == nil {
			err = op.Process(ctx, pipeline.Batch{Record: row, Stream: pipeline.Posts}, emit)
		}
		row.Release()
		if err != nil {
			return nil, err
		}
		out = append(out, lines)
	}
	return out, nil
}

func floor(ms int64) int64 {
	q := ms / tick
	if ms%tick < 0 {
		q--
	}
	return q * tick
}
