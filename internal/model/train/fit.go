package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/sluicehq/sluice/internal/model"
)

// Parts of the posts. All near copies of a text are in one part.
const (
	partTrain = iota
	partValid
	partTest
	parts
)

var partNames = [parts]string{"train", "valid", "test"}

// partOf cuts by the key of a text: 80 in 100 are for training, 10 for
// validation and 10 for the test.
func partOf(in *Input, key uint64) int {
	if i := slices.Index(partNames[:], in.Part); i >= 0 {
		return i
	}
	switch h := (key ^ key>>29) * 0x9e3779b97f4a7c15 >> 32 % 100; {
	case h < 80:
		return partTrain
	case h < 90:
		return partValid
	}
	return partTest
}

// Output is a trained model, and how well it does, by head.
type Output struct {
	Model   *model.Model
	Results [][]*Result // by head
}

// fitter trains one model.
type fitter struct {
	c     *Config
	in    []*Loaded
	posts []Post   // of all inputs
	keys  []uint64 // of the posts
	from  []int    // first post of each input, and the end
	part  []int    // of the posts
	set   *set
	log   func(format string, args ...any)
}

// Fit trains a model of what was loaded. It reports progress by log, a line a
// call. Heads are trained one after another, and the folds of cross-validation
// at once, each by itself: the result does not depend on the number of cores.
func Fit(c *Config, in []*Loaded, log func(format string, args ...any)) (*Output, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f := &fitter{c: c, in: in, from: []int{0}, log: log}
	features := c.features()
	for _, l := range in {
		f.posts = append(f.posts, l.Posts...)
		f.from = append(f.from, len(f.posts))
	}
	f.set = newSet(&features, f.posts, len(c.Heads))
	f.cut()
	card := f.card(features)
	weights, tables := make([][]int8, len(c.Heads)), make([][]float32, len(c.Heads))
	for h := range c.Heads {
		var err error
		if weights[h], tables[h], err = f.head(h, &card.Heads[h]); err != nil {
			return nil, fmt.Errorf("head %q: %w", c.Heads[h].Name, err)
		}
	}
	m, err := model.New(card, weights, tables)
	if err != nil {
		return nil, err
	}
	results := f.results(m)
	for h := range card.Heads {
		card.Heads[h].Measures = measuresOf(results[h])
	}
	if m, err = model.New(card, weights, tables); err != nil {
		return nil, err
	}
	return &Output{Model: m, Results: results}, nil
}

// cut finds the part of each post.
func (f *fitter) cut() {
	var t Tokenizer
	for i, l := range f.in {
		for r := f.from[i]; r < f.from[i+1]; r++ {
			p := t.Post(f.posts[r].Text)
			k := key(&p)
			f.keys = append(f.keys, k)
			f.part = append(f.part, partOf(l.Input, k))
		}
	}
	// A text that is measured, or that one input has in its test part by name,
	// is not learnt from because another input has it too.
	held := map[uint64]bool{}
	for i, l := range f.in {
		for r := f.from[i]; r < f.from[i+1]; r++ {
			if l.Use == useMeasure || l.Part != "" && f.part[r] == partTest {
				held[f.keys[r]] = true
			}
		}
	}
	for r, k := range f.keys {
		if held[k] {
			f.part[r] = partTest
		}
	}
}

// rows returns the posts of a part that head h has a class for, of inputs that
// are used so.
func (f *fitter) rows(h int, ok func(l *Loaded, part int) bool) (out []int32) {
	for i, l := range f.in {
		for r := f.from[i]; r < f.from[i+1]; r++ {
			if f.set.labels[h][r] != unknown && ok(l, f.part[r]) {
				out = append(out, int32(r))
			}
		}
	}
	return out
}

// round is a run of training: on some rows, judged by others.
type round struct {
	learn, judge []int32
	l            *learner
	logits       []float64 // of judge, after the last epoch
	best         []float64 // of judge, after the best epoch
	weights      []float32 // the same
	bias         float64   // the same
}

// rounds cuts what a head learns from.
func (f *fitter) rounds(h int) (all []int32, out []*round) {
	learns := func(l *Loaded) bool { return l.Use != useMeasure }
	k := f.c.Training.Folds
	if k == 0 {
		r := &round{
			learn: f.rows(h, func(l *Loaded, part int) bool { return learns(l) && part == partTrain }),
			judge: f.rows(h, func(l *Loaded, part int) bool { return learns(l) && part == partValid }),
		}
		return r.learn, []*round{r}
	}
	all = f.rows(h, func(l *Loaded, part int) bool { return learns(l) && part != partTest })
	for fold := range k {
		r := &round{}
		for _, row := range all {
			if int((f.keys[row]^f.keys[row]>>31)*0xd6e8feb86659fd93>>32%uint64(k)) == fold {
				r.judge = append(r.judge, row)
			} else {
				r.learn = append(r.learn, row)
			}
		}
		out = append(out, r)
	}
	return all, out
}

// head trains one head and fills its part of the card.
func (f *fitter) head(h int, card *model.Head) ([]int8, []float32, error) {
	all, rounds := f.rounds(h)
	for _, r := range rounds {
		if err := f.enough(h, r.learn, "to learn from"); err != nil {
			return nil, nil, err
		}
		if err := f.enough(h, r.judge, "to validate with"); err != nil {
			return nil, nil, err
		}
	}
	epochs := f.search(h, card.Name, rounds)
	weights, bias := rounds[0].weights, rounds[0].bias
	if len(rounds) > 1 {
		l := f.learner(h, all)
		for e := range epochs {
			l.epoch(f.set, h, all, e)
		}
		weights, bias = l.weights(), l.bias
	}
	quantised, scale := quantise(weights, f.counts(all))
	card.Bias, card.Scale = float32(bias), scale

	var logits []float64
	var labels []int8
	for _, r := range rounds {
		logits = append(logits, r.best...)
		for _, row := range r.judge {
			labels = append(labels, f.set.labels[h][row])
		}
	}
	table := f.calibrate(card, quantised, logits, labels)
	return quantised, table, f.threshold(h, card, quantised, table, logits, labels)
}

// enough checks that there are posts of both classes.
func (f *fitter) enough(h int, rows []int32, what string) error {
	n := [2]int{}
	for _, r := range rows {
		n[f.set.labels[h][r]]++
	}
	if n[0] < 2 || n[1] < 2 {
		return fmt.Errorf("there are %d positive and %d negative posts %s; give more, at least 2 of each", n[1], n[0], what)
	}
	return nil
}

func (f *fitter) learner(h int, rows []int32) *learner {
	l := newLearner(&f.c.Training, 1<<f.c.Features.Bits)
	l.ratios(f.set, h, rows)
	return l
}

// search trains the rounds epoch by epoch until their common loss on what they
// are judged by no longer falls, and returns the number of epochs that did best.
func (f *fitter) search(h int, name string, rounds []*round) (best int) {
	least := math.Inf(1)
	for e := range f.c.Training.Epochs {
		var wg sync.WaitGroup
		for _, r := range rounds {
			wg.Go(func() {
				if r.l == nil {
					r.l = f.learner(h, r.learn)
				}
				r.l.epoch(f.set, h, r.learn, e)
				r.logits = r.logits[:0]
				for _, row := range r.judge {
					r.logits = append(r.logits, r.l.logit(f.set.row(row), f.set.inv[row]))
				}
			})
		}
		wg.Wait()
		loss := f.loss(h, rounds)
		mark := ""
		if loss < least {
			least, best, mark = loss, e+1, " best"
			for _, r := range rounds {
				r.best = slices.Clone(r.logits)
				if len(rounds) == 1 {
					r.weights, r.bias = r.l.weights(), r.l.bias
				}
			}
		}
		f.log("%s: epoch %d: validation loss %.4f%s", name, e+1, loss, mark)
		if e+1-best >= f.c.Training.Patience {
			break
		}
	}
	return best
}

// loss returns the mean log loss of the rounds' last logits.
func (f *fitter) loss(h int, rounds []*round) float64 {
	sum, n := 0.0, 0
	for _, r := range rounds {
		for i, row := range r.judge {
			p := min(max(sigmoid(r.logits[i]), 1e-12), 1-1e-12)
			if f.set.labels[h][row] == 0 {
				p = 1 - p
			}
			sum -= logarithm(p)
		}
		n += len(r.judge)
	}
	return sum / float64(max(n, 1))
}

// counts returns how often the rows have each bucket.
func (f *fitter) counts(rows []int32) []uint32 {
	out := make([]uint32, 1<<f.c.Features.Bits)
	for _, r := range rows {
		for _, b := range f.set.row(r) {
			out[b]++
		}
	}
	return out
}

// quantise rounds weights to int8: weight = scale * q. Of some scales it takes
// the one of the least squared error over the features as they occur; the
// greatest weights are cut where that is better for all others.
func quantise(weights []float32, counts []uint32) (q []int8, scale float32) {
	top := float32(0)
	for _, w := range weights {
		top = max(top, float32(math.Abs(float64(w))))
	}
	if top == 0 {
		return make([]int8, len(weights)), 0
	}
	least := math.Inf(1)
	for _, part := range []float32{1, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1} {
		s := float32(top*part) / 127
		sum := 0.0
		for b, w := range weights {
			d := float64(w) - float64(float32(float32(roundTo(w, s))*s))
			sum += float64(float64(d*d) * float64(counts[b]))
		}
		if sum < least {
			least, scale = sum, s
		}
	}
	q = make([]int8, len(weights))
	for b, w := range weights {
		q[b] = roundTo(w, scale)
	}
	return q, scale
}

// roundTo returns w/scale as an int8.
func roundTo(w, scale float32) int8 {
	return int8(max(min(math.Round(float64(w)/float64(scale)), 127), -127))
}

// calibrate fits the probabilities of a head to its logits on posts that it has
// not learnt from, and returns its table.
func (f *fitter) calibrate(card *model.Head, q []int8, logits []float64, labels []int8) []float32 {
	a, b := platt(logits, labels)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range f.posts {
		sum := 0
		for _, b := range f.set.row(int32(i)) {
			sum += int(q[b])
		}
		z := float64(card.Bias) + float64(float64(card.Scale)*float64(sum))*float64(f.set.inv[i])
		low, high = min(low, z), max(high, z)
	}
	margin := float64((high-low)/10) + 1
	card.Low, card.High = float32(low-margin), float32(high+margin)
	table := make([]float32, model.TableSize)
	for i := range table {
		z := float64(card.Low) + float64(float64(card.High-card.Low)*float64(i))/(model.TableSize-1)
		table[i] = float32(sigmoid(float64(a*z) + b))
	}
	return table
}

// threshold chooses a head's threshold by the posts that it was validated with.
func (f *fitter) threshold(h int, card *model.Head, q []int8, table []float32, logits []float64, labels []int8) error {
	probability, err := f.probabilities(card, q, table)
	if err != nil {
		return err
	}
	judged := make([]scored, len(logits))
	for i, z := range logits {
		judged[i] = scored{probability(float32(z)), labels[i]}
	}
	judgedBy := "the validation part"
	if k := f.c.Training.Folds; k > 0 {
		judgedBy = fmt.Sprintf("%d-fold cross-validation", k)
	}
	switch want := f.c.Heads[h].Threshold; {
	case want.At > 0:
		card.Threshold, card.Chosen = float32(want.At), "given"
	case want.Precision > 0:
		t, ok := forPrecision(judged, want.Precision)
		if !ok {
			return fmt.Errorf("no threshold has a precision of %v in %s; ask for less or give more posts", want.Precision, judgedBy)
		}
		card.Threshold, card.Chosen = t, fmt.Sprintf("precision of %v in %s", want.Precision, judgedBy)
	case want.FPR > 0:
		var background []float32
		for i, l := range f.in {
			for r := f.from[i]; l.Use == useBackground && r < f.from[i+1]; r++ {
				if f.set.labels[h][r] == unknown || f.part[r] == partTest {
					background = append(background, probability(f.logit(card, q, int32(r))))
				}
			}
		}
		if float64(len(background))*want.FPR < 1 {
			return fmt.Errorf("a false-positive rate of %v wants at least %.0f background posts that are not learnt from; there are %d: name inputs with use: background", want.FPR, math.Ceil(1/want.FPR), len(background))
		}
		card.Threshold = forFalsePositives(background, want.FPR)
		card.Chosen = fmt.Sprintf("false-positive rate of %v on %d background posts", want.FPR, len(background))
	default:
		all := make([]float32, len(judged))
		for i := range judged {
			all[i] = judged[i].p
		}
		card.Threshold, card.Chosen = bestF1(all), "greatest macro-F1 that the probabilities of "+judgedBy+" let expect"
	}
	return nil
}

// logit is a post's logit as a Scorer computes it.
func (f *fitter) logit(card *model.Head, q []int8, row int32) float32 {
	sum := int64(0)
	for _, b := range f.set.row(row) {
		sum += int64(q[b])
	}
	return card.Bias + float32(card.Scale*float32(float32(sum)*f.set.inv[row]))
}

// probabilities returns the function from a head's logit to its probability,
// which is the model's own.
func (f *fitter) probabilities(card *model.Head, q []int8, table []float32) (func(float32) float32, error) {
	c := f.card(f.c.features())
	c.Heads = []model.Head{*card}
	m, err := model.New(c, [][]int8{q}, [][]float32{table})
	if err != nil {
		return nil, errors.Join(errors.New("the trained head is not valid"), err)
	}
	return func(z float32) float32 { return m.Probability(0, z) }, nil
}
