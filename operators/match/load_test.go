//go:build unix

package match

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// textSchema is what reaches a match step behind normalize and tokenize.
func textSchema(t testing.TB) *arrow.Schema {
	t.Helper()
	u32 := pipeline.ListOf(arrow.PrimitiveTypes.Uint32)
	return pipeline.PostsSchema(
		arrow.Field{Name: pipeline.ColTextFolded, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: pipeline.ColTokenHash, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint64)},
		arrow.Field{Name: pipeline.ColTokenStart, Type: u32}, arrow.Field{Name: pipeline.ColTokenEnd, Type: u32},
		arrow.Field{Name: pipeline.ColTokenKind, Type: pipeline.ListOf(arrow.PrimitiveTypes.Uint8)},
	)
}

func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLoadMillion loads lists of 1,000,000 terms: in less than 3 seconds of
// processor time, the collector's included, and 300 MB of heap.
func TestLoadMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("measures; the race detector's time is not ours")
	}
	const n = 1_000_000
	r := rand.New(rand.NewPCG(1, 2))
	text, csv, subs := []byte{}, []byte("term,weight,language\n"), []byte{}
	for i := range n {
		term := fmt.Sprintf("term%x", r.Uint64())
		if i%10 == 0 {
			term += fmt.Sprintf(" second%x", r.Uint32())
		}
		text = append(append(text, term...), '\n')
		csv = fmt.Appendf(csv, "%s,0.%d,%s\n", term, 1+i%9, []string{"", "en", "de"}[i%3])
		subs = append(append(subs, term...), '\n')
	}
	files := memFiles{"l.txt": string(text), "l.csv": string(csv), "subs.txt": string(subs)}
	schema := textSchema(t)
	for _, c := range []struct {
		name string
		list List
	}{
		{"text", List{Path: "l.txt"}},
		{"csv", List{Path: "l.csv"}},
		{"substrings", List{Path: "subs.txt", Match: "substring"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bc := pipeline.BuildContext{Mem: memory.DefaultAllocator, Files: files, Logger: slog.New(slog.DiscardHandler)}
			before := heap()
			start := processorTime(t)
			p, err := Factory().PlanOperator(bc, &Config{Lists: map[string]List{"l": c.list}}, schema)
			took := processorTime(t) - start
			if err != nil {
				t.Fatal(err)
			}
			size := float64(heap()-before) / 1e6
			runtime.KeepAlive(p)
			t.Logf("%d terms: %.2f s of processor time, %.0f MB of heap", n, took.Seconds(), size)
			if took > 3*time.Second {
				t.Errorf("it took %s of processor time, want at most 3 s", took)
			}
			if size > 300 {
				t.Errorf("it takes %.0f MB, want at most 300", size)
			}
		})
	}
}
