package pipelinetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// minutes makes posts of two authors, a second apart, of which some are late.
func minutes(n int) func(testing.TB, memory.Allocator) arrow.Record {
	return func(t testing.TB, mem memory.Allocator) arrow.Record {
		var rows []Row
		for i := range n {
			at := time.UnixMilli(int64(1000*i + 7*i%1900))
			if i%11 == 4 {
				at = at.Add(-time.Duration(i*333) * time.Millisecond)
			}
			rows = append(rows, Row{"id": fmt.Sprint(i), "author_id": fmt.Sprint("a", i*i%3), "created_at": at.UTC().Format(time.RFC3339Nano)})
		}
		return Posts(t, mem, rows)
	}
}

func TestSliding(t *testing.T) {
	RunOperator(t, OperatorCase{Factory: Sliding(), Input: minutes(150)})
}

// TestRebuildsFindsWhatIsWrong has operators whose state goes back further than
// their plans say.
func TestRebuildsFindsWhatIsWrong(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rec := minutes(150)(t, mem)
	defer rec.Release()
	for _, c := range []struct {
		factory pipeline.Factory
		window  time.Duration
		want    string
	}{
		{Sliding(), 10 * time.Second, ""},
		{Sliding(), 9 * time.Second, "but the one that was given all rows emits"},
		{Tally(), 30 * time.Second, "but the one that was given all rows emits"},
		{Sliding(), time.Hour, "they show nothing of it"},
	} {
		oc := OperatorCase{Factory: c.factory}
		err := rebuilds(t, oc.plan(t, mem, rec.Schema()), c.window, rec)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with a window of %s: %v, want %q", c.factory.Name, c.window, err, c.want)
		}
	}
}
