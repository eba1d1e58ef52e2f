package train

import (
	"math"
	"math/rand/v2"
)

// Options are the settings of training; all heads share them.
type Options struct {
	Seed     uint64  `yaml:"seed"`
	Epochs   int     `yaml:"epochs"`   // at most
	Patience int     `yaml:"patience"` // epochs without a better loss after which training stops
	Folds    int     `yaml:"folds"`    // parts of cross-validation; 0: the validation part alone
	Rate     float64 `yaml:"rate"`     // alpha of FTRL-Proximal
	L1       float64 `yaml:"l1"`
	L2       float64 `yaml:"l2"`
	Ratio    float64 `yaml:"ratio"`   // 0..1: how far a feature's value is its log-count ratio
	Balance  float64 `yaml:"balance"` // 0..1: how far the rarer class is weighted up
}

// learner is one head's logistic regression by FTRL-Proximal (McMahan et al.,
// "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1). The
// bias is outside of the regularisation. Products are rounded before they are
// added, so that no platform fuses them: the same posts give the same weights.
type learner struct {
	opt   *Options
	z, n  []float32 // by bucket: FTRL's two sums
	scale []float32 // by bucket: the value of the feature
	w     []float32 // scratch, by feature of a post
	bias  float64
	biasN float64
}

func newLearner(opt *Options, buckets int) *learner {
	l := &learner{opt: opt, z: make([]float32, buckets), n: make([]float32, buckets), scale: make([]float32, buckets)}
	for i := range l.scale {
		l.scale[i] = 1
	}
	return l
}

// ratios gives each bucket the value |log(p/q)|, where p and q are its shares
// of the features of the two classes, with one more of each (Wang and Manning,
// "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification",
// ACL 2012); Options.Ratio mixes it with 1. What tells the classes apart then
// needs smaller weights, and regularisation spares it.
func (l *learner) ratios(s *set, head int, rows []int32) {
	if l.opt.Ratio == 0 {
		return
	}
	counts := [2][]uint32{make([]uint32, len(l.z)), make([]uint32, len(l.z))}
	total := [2]float64{}
	for _, r := range rows {
		y := s.labels[head][r]
		row := s.row(r)
		for _, b := range row {
			counts[y][b]++
		}
		total[y] += float64(len(row))
	}
	k := float64(len(l.z))
	for b := range l.scale {
		p := (float64(counts[1][b]) + 1) / (total[1] + k)
		q := (float64(counts[0][b]) + 1) / (total[0] + k)
		l.scale[b] = float32(float64(1-l.opt.Ratio) + float64(l.opt.Ratio*math.Abs(logarithm(p/q))))
	}
}

// weight returns FTRL's weight of a bucket.
func (l *learner) weight(b uint32) float32 {
	z, l1 := l.z[b], float32(l.opt.L1)
	if z <= l1 && z >= -l1 {
		return 0
	}
	if z < 0 {
		l1 = -l1
	}
	return (l1 - z) / (float32((1+root(l.n[b]))/float32(l.opt.Rate)) + float32(l.opt.L2))
}

func root(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// logit returns the logit of a post.
func (l *learner) logit(row []uint32, inv float32) float64 {
	sum := float32(0)
	for _, b := range row {
		sum += float32(l.weight(b) * l.scale[b])
	}
	return l.bias + float64(float64(sum)*float64(inv))
}

// step learns from one post.
func (l *learner) step(row []uint32, inv float32, y int8, weight float64) {
	if cap(l.w) < len(row) {
		l.w = make([]float32, 2*len(row))
	}
	w := l.w[:len(row)]
	sum := float32(0)
	for i, b := range row {
		w[i] = l.weight(b)
		sum += float32(w[i] * l.scale[b])
	}
	d := weight * (sigmoid(l.bias+float64(float64(sum)*float64(inv))) - float64(y))
	rate := float32(l.opt.Rate)
	for i, b := range row {
		g := float32(d) * inv * l.scale[b]
		old := l.n[b]
		now := old + float32(g*g)
		sigma := (root(now) - root(old)) / rate
		l.z[b] += g - float32(sigma*w[i])
		l.n[b] = now
	}
	l.biasN += float64(d * d)
	l.bias -= float64(l.opt.Rate*d) / (1 + math.Sqrt(l.biasN))
}

// epoch learns from rows, in an order that the seed and the epoch decide.
func (l *learner) epoch(s *set, head int, rows []int32, epoch int) {
	order := append([]int32(nil), rows...)
	r := rand.New(rand.NewPCG(l.opt.Seed, uint64(epoch)))
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	weights := l.classWeights(s.labels[head], rows)
	for _, i := range order {
		y := s.labels[head][i]
		l.step(s.row(i), s.inv[i], y, weights[y])
	}
}

// classWeights returns the weights of a post of class 0 and of class 1. At full
// balance both classes weigh the same together; the mean weight is always 1.
func (l *learner) classWeights(labels []int8, rows []int32) [2]float64 {
	n := [2]float64{}
	for _, i := range rows {
		n[labels[i]]++
	}
	all := n[0] + n[1]
	var w [2]float64
	for y := range w {
		w[y] = float64(1-l.opt.Balance) + float64(l.opt.Balance*(all/(2*max(n[y], 1))))
	}
	return w
}

// weights returns the weight of each bucket, as a model takes them before they
// are rounded.
func (l *learner) weights() []float32 {
	out := make([]float32, len(l.z))
	for b := range out {
		out[b] = float32(l.weight(uint32(b)) * l.scale[b])
	}
	return out
}

// sigmoid returns 1/(1+exp(-x)).
func sigmoid(x float64) float64 { return 1 / (1 + exponential(-x)) }

// exponential is exp(x) for |x| up to 700, within 1e-12 of it; beyond that it is
// level. It uses what all platforms round alike, which math.Exp does not.
func exponential(x float64) float64 {
	x = max(min(x, 700), -700)
	k := math.Round(float64(x * (1 / math.Ln2)))
	r := x - float64(k*math.Ln2)
	sum, term := 1.0, 1.0
	for i := 1.0; i < 16; i++ {
		term = float64(term*r) / i
		sum += term
	}
	return math.Ldexp(sum, int(k))
}

// logarithm is log(x) for x > 0, within 1e-12 of it, by what all platforms
// round alike.
func logarithm(x float64) float64 {
	m, e := math.Frexp(x) // 0.5 <= m < 1
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	t := (m - 1) / (m + 1)
	square, power, sum := float64(t*t), t, 0.0
	for i := 1.0; i < 24; i += 2 {
		sum += power / i
		power = float64(power * square)
	}
	return float64(2*sum) + float64(float64(e)*math.Ln2)
}
