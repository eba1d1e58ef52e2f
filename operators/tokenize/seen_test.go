package tokenize

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/column"
)

// TestSeen holds rows of few and many domains, equal ones among them, against a
// map.
func TestSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := column.NewStrings(memory.DefaultAllocator)
	defer all.Release()
	var s seen
	for _, size := range []int{0, 3, few, few + 1, few + 2, 5000, 12, 24, 25, 300, 1} {
		begin := all.Len()
		s.next(begin, 20*size)
		want := map[string]bool{}
		var order []string
		for calls := 0; len(want) < size && calls < 20*size; calls++ {
			d := fmt.Sprintf("d%d.com", r.IntN(size))
			if s.add(all, []byte(d)); !want[d] {
				want[d], order = true, append(order, d)
			}
		}
		if got := all.Len() - begin; got != len(want) {
			t.Fatalf("%d elements, want %d", got, len(want))
		}
		for i, d := range order {
			if got := string(all.At(begin + i)); got != d {
				t.Fatalf("of %d: element %d is %q, want %q", size, i, got, d)
			}
		}
	}
}
