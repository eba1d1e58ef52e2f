package model

// Reason is a run of tokens and what it added to a head's logit. That of one
// token is with the pieces of the word and with the edge of the post beside it,
// so the reasons of a post and the head's bias add up to the logit.
type Reason struct {
	First, Last int // tokens of the post
	Weight      float32
}

// Explain appends to dst the at most k reasons that raised a head's logit the
// most, the greatest first and those of equal weight in the order of the text.
// It takes time in proportion to the text and to k.
func (m *Model) Explain(dst []Reason, head int, p *Post, k int) []Reason {
	f, h := &m.card.Features, &m.card.Heads[head]
	base := len(dst)
	unit := float32(h.Scale * inverseRoot(len(p.Hash)))
	at, sum := -1, int64(0) // the word that pieces are being added to
	keep := func(first, last int, sum int64) {
		if sum <= 0 || k == 0 {
			return
		}
		r := Reason{First: first, Last: last, Weight: float32(float32(sum) * unit)}
		if len(dst)-base == k {
			if dst[len(dst)-1].Weight >= r.Weight {
				return
			}
			dst = dst[:len(dst)-1]
		}
		dst = append(dst, r)
		for i := len(dst) - 1; i > base && dst[i-1].Weight < dst[i].Weight; i-- {
			dst[i-1], dst[i] = dst[i], dst[i-1]
		}
	}
	runs := [2]struct {
		first int
		sum   int64
	}{}
	waiting := 0 // runs that end at the word, kept until it is whole
	flush := func() {
		if at < 0 {
			return
		}
		keep(at, at, sum)
		for _, r := range runs[:waiting] {
			keep(r.first, at, r.sum)
		}
		sum, waiting = 0, 0
	}
	f.walk(p, func(first, last int, kd kind, b uint32) {
		w := int64(m.weight(head, b))
		switch {
		case kd == isWord:
			flush()
			at, sum = first, w
		case kd == isRun && first >= 0 && last < len(p.Hash):
			runs[waiting].first, runs[waiting].sum = first, w
			waiting++
		default:
			sum += w
		}
	})
	flush()
	return dst
}
