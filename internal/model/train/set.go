package train

import (
	"math"

	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/simhash"
	"github.com/sluicehq/sluice/internal/text/token"
)

// Tokenizer makes of a text what the normalize and tokenize steps make of a
// post. The zero value is ready; it is for one goroutine.
type Tokenizer struct {
	folded []byte
	tokens token.Tokens
	kinds  []uint8
}

// Post returns the folded text and its tokens, valid until the next call.
func (t *Tokenizer) Post(s string) model.Post {
	t.folded = fold.Append(t.folded[:0], []byte(s))
	t.tokens.Reset()
	t.tokens.Append(t.folded, 0, len(t.folded))
	t.kinds = t.kinds[:0]
	for _, k := range t.tokens.Kind {
		t.kinds = append(t.kinds, uint8(k))
	}
	return model.Post{Buf: t.folded, Hash: t.tokens.Hash, Start: t.tokens.Start, End: t.tokens.End, Kind: t.kinds}
}

// repost is the word that begins a repost, before a mention.
var repost = token.Hash([]byte("rt"))

// key returns what copies have in common: the exact hash of the tokens that
// fingerprints are made of, without marks of a repost before them.
func key(p *model.Post) uint64 {
	first := 0
	for len(p.Hash) >= first+2 && p.Hash[first] == repost && text.Kind(p.Kind[first]) == text.Word && text.Kind(p.Kind[first+1]) == text.Mention {
		first += 2
	}
	var content []uint64
	for i := first; i < len(p.Hash); i++ {
		h := p.Hash[i]
		if text.Kind(p.Kind[i]).Content() {
			content = append(content, h)
		}
	}
	return simhash.Exact(content)
}

// set is posts as features, row by row.
type set struct {
	off    []int
	bucket []uint32
	inv    []float32 // 1/sqrt(tokens)
	labels [][]int8  // by head: 1, 0, or unknown
}

// unknown is the label of a post that a head neither learns from nor is
// measured by.
const unknown int8 = -1

func (s *set) row(i int32) []uint32 { return s.bucket[s.off[i]:s.off[i+1]] }

// newSet runs posts through the kernels.
func newSet(f *model.Features, posts []Post, heads int) *set {
	s := &set{off: []int{0}, labels: make([][]int8, heads)}
	var t Tokenizer
	for i := range posts {
		p := t.Post(posts[i].Text)
		var n int
		s.bucket, n = f.AppendBuckets(s.bucket, &p)
		s.off = append(s.off, len(s.bucket))
		inv := float32(0)
		if n > 0 {
			inv = float32(1 / math.Sqrt(float64(n)))
		}
		s.inv = append(s.inv, inv)
		for h := range heads {
			s.labels[h] = append(s.labels[h], posts[i].Labels[h])
		}
	}
	return s
}
