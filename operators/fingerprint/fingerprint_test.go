package fingerprint

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/simhash"
	"github.com/sluicehq/sluice/pipeline"
)

func TestValidate(t *testing.T) {
	for n := -1; n <= maxShingle+1; n++ {
		err := (&Config{Shingle: n}).Validate()
		var fe *pipeline.FieldError
		if bad := n < 1 || n > maxShingle; bad != errors.As(err, &fe) || bad && fe.Path != "shingle" {
			t.Errorf("shingle %d: %v", n, err)
		}
	}
	f := Factory()
	if _, err := f.PlanOperator(pipeline.BuildContext{Mem: memory.DefaultAllocator}, f.NewConfig(), pipeline.PostsSchema()); err == nil || !strings.Contains(err.Error(), "put a tokenize step before it") {
		t.Errorf("no tokens: %v", err)
	}
}

// TestRow checks a row against the kernels, for each length of shingle, and
// that URLs, mentions and emoji are left out.
func TestRow(t *testing.T) {
	hash := []uint64{11, 22, 33, 44, 55, 66}
	kind := []uint8{uint8(text.Word), uint8(text.URL), uint8(text.Number), uint8(text.Mention), uint8(text.Hashtag), uint8(text.Emoji)}
	kept := []uint64{11, 33, 55}
	for k := 1; k <= maxShingle; k++ {
		want := slices.Clone(kept)
		if k > 1 {
			want = simhash.Shingles(want, kept, k)
		}
		o := &operator{plan: &plan{shingle: k}}
		for range 2 { // the scratch memory is used again
			exact, sim := o.row(hash, kind)
			if exact != simhash.Exact(kept) || sim != simhash.Of(want) {
				t.Errorf("shingle %d: %#x %#x, want %#x %#x", k, exact, sim, simhash.Exact(kept), simhash.Of(want))
			}
		}
		if exact, sim := o.row(nil, nil); exact != 0 || sim != 0 {
			t.Errorf("no tokens: %#x %#x", exact, sim)
		}
	}
}
