package train

import (
	"cmp"
	"math"
	"slices"
)

// Bin is the posts of one tenth of the range of probabilities.
type Bin struct {
	Posts int
	Mean  float64 // of the probabilities
	Share float64 // of the posts that are positive
}

// Point is a place on a precision-recall curve.
type Point struct{ Threshold, Precision, Recall float64 }

// Result is how well probabilities fit labels.
type Result struct {
	On              string
	Posts, Positive int
	// Confusion is [label][verdict] at the threshold: a verdict is positive for
	// a probability of at least it.
	Confusion [2][2]int
	Threshold float64
	AUC       float64 // area under the ROC curve: ties count half
	AvgPrec   float64 // average precision: the area under the curve, by steps
	ECE       float64 // expected calibration error over 10 bins of equal width
	Bins      [10]Bin
	Curve     []Point // by falling threshold
}

// F1 returns the F1 score of a class.
func (r *Result) F1(class int) float64 {
	hit, missed, false_ := r.Confusion[class][class], r.Confusion[class][1-class], r.Confusion[1-class][class]
	return ratio(2*hit, 2*hit+missed+false_)
}

// MacroF1 returns the mean of both classes' F1 scores.
func (r *Result) MacroF1() float64 { return (r.F1(0) + r.F1(1)) / 2 }

// Precision returns the share of positive verdicts that are right.
func (r *Result) Precision() float64 {
	return ratio(r.Confusion[1][1], r.Confusion[1][1]+r.Confusion[0][1])
}

// Recall returns the share of positive posts that are found.
func (r *Result) Recall() float64 { return ratio(r.Confusion[1][1], r.Positive) }

// FalsePositives returns the share of negative posts that are called positive.
func (r *Result) FalsePositives() float64 { return ratio(r.Confusion[0][1], r.Posts-r.Positive) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// scored is a post's probability and its label, 0 or 1.
type scored struct {
	p float32
	y int8
}

// measure compares probabilities with labels. Its threshold is the least
// probability of a positive verdict.
func measure(on string, in []scored, threshold float32) *Result {
	r := &Result{On: on, Posts: len(in), Threshold: float64(threshold)}
	for _, s := range in {
		verdict := 0
		if s.p >= threshold {
			verdict = 1
		}
		r.Confusion[s.y][verdict]++
		r.Positive += int(s.y)
		b := &r.Bins[min(int(s.p*10), 9)]
		b.Posts++
		b.Mean += float64(s.p)
		b.Share += float64(s.y)
	}
	for i := range r.Bins {
		if b := &r.Bins[i]; b.Posts > 0 {
			b.Mean /= float64(b.Posts)
			b.Share /= float64(b.Posts)
			r.ECE += math.Abs(b.Mean-b.Share) * float64(b.Posts) / float64(len(in))
		}
	}
	r.rank(in)
	return r
}

// rank fills what depends on the order of the probabilities only.
func (r *Result) rank(in []scored) {
	negative := r.Posts - r.Positive
	hit, false_ := 0, 0
	eachThreshold(in, func(p float32, hits, falses int) {
		precision, recall := ratio(hits, hits+falses), ratio(hits, r.Positive)
		r.AUC += float64(falses-false_) * float64(hit+hits) / 2
		r.AvgPrec += ratio(hits-hit, r.Positive) * precision
		r.Curve = append(r.Curve, Point{float64(p), precision, recall})
		hit, false_ = hits, falses
	})
	if r.Positive > 0 && negative > 0 {
		r.AUC /= float64(r.Positive) * float64(negative)
	} else {
		r.AUC = 0
	}
}

// eachThreshold calls f for each distinct probability, the greatest first, with
// the numbers of positive and of negative posts that have at least it.
func eachThreshold(in []scored, f func(p float32, hits, falses int)) {
	sorted := slices.Clone(in)
	slices.SortFunc(sorted, func(a, b scored) int { return cmp.Compare(b.p, a.p) })
	hits, falses := 0, 0
	for i, s := range sorted {
		if s.y == 1 {
			hits++
		} else {
			falses++
		}
		if i+1 == len(sorted) || sorted[i+1].p != s.p {
			f(s.p, hits, falses)
		}
	}
}

// bestF1 returns the threshold of the greatest macro-F1 that is to be expected
// of calibrated probabilities: each post counts as positive by its probability
// and as negative by the rest, not by its label. So no single post moves it, as
// it would the greatest macro-F1 of the labels (Lipton, Elkan and Naryanaswamy,
// "Optimal Thresholding of Classifiers to Maximize F1 Measure", 2014).
func bestF1(probabilities []float32) float32 {
	sorted := slices.Clone(probabilities)
	slices.SortFunc(sorted, func(a, b float32) int { return cmp.Compare(b, a) })
	all := 0.0
	for _, p := range sorted {
		all += float64(p)
	}
	n := float64(len(sorted))
	hits, best, threshold := 0.0, -1.0, float32(0.5)
	for i, p := range sorted {
		hits += float64(p)
		if i+1 < len(sorted) && sorted[i+1] == p {
			continue
		}
		called := float64(i + 1)
		one := 2 * hits / (called + all)
		zero := 2 * (n - called - all + hits) / (2*n - called - all)
		if f := one + zero; f > best {
			best, threshold = f, (p+sorted[min(i+1, len(sorted)-1)])/2
		}
	}
	return threshold
}

// forPrecision returns the least threshold from which on the precision is at
// least want for at least 20 verdicts, and whether there is one.
func forPrecision(in []scored, want float64) (threshold float32, ok bool) {
	eachThreshold(in, func(p float32, hits, falses int) {
		if hits+falses >= 20 && ratio(hits, hits+falses) >= want {
			threshold, ok = p, true
		}
	})
	return threshold, ok
}

// forFalsePositives returns the least threshold that calls at most the share
// limit of the background positive.
func forFalsePositives(background []float32, limit float64) float32 {
	sorted := slices.Clone(background)
	slices.SortFunc(sorted, func(a, b float32) int { return cmp.Compare(b, a) })
	allowed := int(limit * float64(len(sorted)))
	if allowed >= len(sorted) {
		return 0
	}
	return min(math.Nextafter32(sorted[allowed], 2), 1)
}

// platt fits sigmoid(a*x+b) to labels by Newton's method with Platt's targets
// (Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007), with a
// not below 0.
func platt(x []float64, y []int8) (a, b float64) {
	n := [2]float64{}
	for _, v := range y {
		n[v]++
	}
	target := [2]float64{1 / (n[0] + 2), (n[1] + 1) / (n[1] + 2)}
	a, b = 1, 0
	loss := plattLoss(x, y, target, a, b)
	for range 100 {
		var ga, gb, haa, hab, hbb float64
		for i, v := range x {
			p := sigmoid(float64(a*v) + b)
			d, w := p-target[y[i]], float64(p*(1-p))
			ga += float64(d * v)
			gb += d
			haa += float64(float64(w*v) * v)
			hab += float64(w * v)
			hbb += w
		}
		haa, hbb = haa+1e-9, hbb+1e-9
		det := float64(haa*hbb) - float64(hab*hab)
		if det <= 0 {
			break
		}
		da, db := (float64(hbb*ga)-float64(hab*gb))/det, (float64(haa*gb)-float64(hab*ga))/det
		step := 1.0
		for ; step > 1e-8; step /= 2 {
			if l := plattLoss(x, y, target, a-float64(step*da), b-float64(step*db)); l < loss {
				loss = l
				break
			}
		}
		if step <= 1e-8 {
			break
		}
		a, b = a-float64(step*da), b-float64(step*db)
	}
	return max(a, 0), b
}

func plattLoss(x []float64, y []int8, target [2]float64, a, b float64) (sum float64) {
	for i, v := range x {
		p := min(max(sigmoid(float64(a*v)+b), 1e-15), 1-1e-15)
		t := target[y[i]]
		sum -= float64(t*logarithm(p)) + float64((1-t)*logarithm(1-p))
	}
	return sum
}
