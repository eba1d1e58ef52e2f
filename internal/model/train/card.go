package train

import (
	"fmt"
	"math"
	"slices"

	"github.com/sluicehq/sluice/internal/model"
)

// card fills what is known before training.
func (f *fitter) card(features model.Features) model.Card {
	c, o := f.c, &f.c.Training
	card := model.Card{
		Name: c.Name, Version: c.Version, Date: c.Date, Description: c.Description, Use: c.Use, Limits: c.Limits, Biases: c.Biases,
		Licence: c.Licence, Owner: c.Owner, Features: features,
		Training: model.Training{
			Method: "logistic regression by FTRL-Proximal on log-count ratios, Platt calibration",
			Options: map[string]any{
				"seed": o.Seed, "epochs": o.Epochs, "patience": o.Patience, "folds": o.Folds, "rate": o.Rate, "l1": o.L1, "l2": o.L2, "ratio": o.Ratio, "balance": o.Balance,
			},
			Posts: map[string]int{},
		},
	}
	for _, h := range c.Heads {
		card.Heads = append(card.Heads, model.Head{Name: h.Name, Description: h.Description, Severity: h.Severity, Labels: h.Labels})
	}
	for i, l := range f.in {
		d := model.Data{Name: l.title(), Source: l.Source, Licence: l.Licence, SHA256: l.SHA256, Posts: len(l.Posts), Role: l.Use, Used: map[string]int{}}
		if d.Role == "" {
			d.Role = useTrain
		}
		for r := f.from[i]; r < f.from[i+1]; r++ {
			for h := range c.Heads {
				switch f.set.labels[h][r] {
				case 1:
					d.Used[c.Heads[h].Name+" positive"]++
				case 0:
					d.Used[c.Heads[h].Name+" negative"]++
				}
			}
			card.Training.Posts[partNames[f.part[r]]]++
		}
		card.Data = append(card.Data, d)
	}
	return card
}

// results measures a model on the test part, on each input that is for
// measuring, and on the background that was not learnt from.
func (f *fitter) results(m *model.Model) [][]*Result {
	e := NewEvaluator(m)
	out := make([][]*Result, len(f.c.Heads))
	for h := range f.c.Heads {
		test := f.rows(h, func(l *Loaded, part int) bool {
			return l.Use != useMeasure && l.Use != useBackground && part == partTest
		})
		if len(test) > 0 {
			out[h] = append(out[h], e.result("test part", h, f.at(h, test)))
		}
	}
	for i, l := range f.in {
		for h := range f.c.Heads {
			var rows []int32
			for r := f.from[i]; r < f.from[i+1]; r++ {
				y := f.set.labels[h][r]
				switch l.Use {
				case useMeasure:
					if y != unknown {
						rows = append(rows, int32(r))
					}
				case useBackground:
					if y == unknown || f.part[r] == partTest {
						rows = append(rows, int32(r))
					}
				}
			}
			if len(rows) == 0 {
				continue
			}
			posts := f.at(h, rows)
			name := l.title()
			if l.Use == useBackground {
				name += " (background, not learnt from)"
				for i := range posts {
					posts[i].Labels = []int8{0}
				}
			}
			out[h] = append(out[h], e.result(name, h, posts))
		}
	}
	return out
}

// at returns posts with the class of head h alone.
func (f *fitter) at(h int, rows []int32) []Post {
	out := make([]Post, len(rows))
	for i, r := range rows {
		out[i] = Post{f.posts[r].Text, []int8{f.set.labels[h][r]}}
	}
	return out
}

// measuresOf rounds results for the card.
func measuresOf(rs []*Result) (out []model.Measure) {
	round := func(x float64) float64 { return math.Round(x*1e4) / 1e4 }
	for _, r := range rs {
		out = append(out, model.Measure{
			On: r.On, Posts: r.Posts, Positive: r.Positive, MacroF1: round(r.MacroF1()), AUC: round(r.AUC), AvgPrec: round(r.AvgPrec),
			ECE: round(r.ECE), Precision: round(r.Precision()), Recall: round(r.Recall()), FalsePos: math.Round(r.FalsePositives()*1e6) / 1e6,
		})
	}
	return out
}

// Evaluator runs a model on texts as a score step does on posts.
type Evaluator struct {
	m *model.Model
	s *model.Scorer
	t Tokenizer
}

// NewEvaluator returns an evaluator of m, for one goroutine.
func NewEvaluator(m *model.Model) *Evaluator { return &Evaluator{m: m, s: model.NewScorer(m)} }

// Probability returns the probability of each head.
func (e *Evaluator) Probability(text string) []float32 {
	p := e.t.Post(text)
	var logits, out [model.MaxHeads]float32
	e.s.Score(&p, &logits, &out)
	return slices.Clone(out[:len(e.m.Card().Heads)])
}

// result measures a head on posts of one class each, its own.
func (e *Evaluator) result(on string, head int, posts []Post) *Result {
	in := make([]scored, len(posts))
	for i := range posts {
		in[i] = scored{e.Probability(posts[i].Text)[head], posts[i].Labels[0]}
	}
	return measure(on, in, e.m.Card().Heads[head].Threshold)
}

// Measure measures each head on an input; labels are those of the config that
// it was loaded with, whose heads must be the model's. Background posts without
// classes count as negative.
func (e *Evaluator) Measure(l *Loaded) ([][]*Result, error) {
	heads := e.m.Card().Heads
	out := make([][]*Result, len(heads))
	scores := make([][]scored, len(heads))
	for i := range l.Posts {
		p := &l.Posts[i]
		if len(p.Labels) != len(heads) {
			return nil, fmt.Errorf("%s: posts have classes of %d heads, the model has %d", l.title(), len(p.Labels), len(heads))
		}
		prob := e.Probability(p.Text)
		for h := range heads {
			y := p.Labels[h]
			if l.Use == useBackground {
				y = 0
			}
			if y != unknown {
				scores[h] = append(scores[h], scored{prob[h], y})
			}
		}
	}
	for h := range heads {
		if len(scores[h]) > 0 {
			out[h] = append(out[h], measure(l.title(), scores[h], heads[h].Threshold))
		}
	}
	return out, nil
}
