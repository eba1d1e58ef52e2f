// Package model holds linear models over hashed n-grams: what a score step
// runs, what training makes, and the file that carries it from one to the other.
//
// A model has up to 8 heads. A head's logit for a post is
//
//	bias + scale * sum(weights of the post's features) / sqrt(tokens)
//
// and a table turns it into a probability. Weights are int8, by bucket of the
// feature's hash; the heads of a bucket stand beside each other, so that one
// load of 8 bytes serves all. Features that fall into one bucket share its
// weight: with b buckets, a feature that training never saw meets the weight of
// another one with probability (distinct features seen)/b, and adds noise of
// the size of a common weight. The measures in the card are of the hashed
// model, so they include this.
package model

import (
	"fmt"
	"math"
)

// MaxHeads is the number of heads that one file can have: a byte each of the 8
// that a bucket takes.
const MaxHeads = 8

// Card is what a model says of itself: it stands inside the file, and is all
// of it but the weights and the calibration.
type Card struct {
	Name        string   `json:"name"`
	Version     uint32   `json:"version"`
	Date        string   `json:"date,omitempty"` // as the trainer was told, 2006-01-02
	Description string   `json:"description,omitempty"`
	Use         string   `json:"intended_use,omitempty"`
	Limits      []string `json:"limits,omitempty"`
	Biases      []string `json:"known_biases,omitempty"`
	Licence     string   `json:"licence,omitempty"` // of the model
	Owner       string   `json:"owner,omitempty"`
	Features    Features `json:"features"`
	Heads       []Head   `json:"heads"`
	Data        []Data   `json:"data,omitempty"`
	Training    Training `json:"training"`
}

// Head is one score of a model.
type Head struct {
	Name        string `json:"name"` // the column is score.<name>
	Description string `json:"description,omitempty"`
	// Threshold is the least probability, 0..1, that is a detection, and Chosen
	// says how it was found.
	Threshold float32  `json:"threshold"`
	Chosen    string   `json:"threshold_chosen,omitempty"`
	Severity  string   `json:"severity,omitempty"`
	Labels    []string `json:"labels,omitempty"`
	// Bias and Scale are those of the logit.
	Bias  float32 `json:"bias"`
	Scale float32 `json:"scale"`
	// Low and High are the logits of the first and of the last entry of the
	// calibration table, which are equally far from each other.
	Low  float32 `json:"calibration_low"`
	High float32 `json:"calibration_high"`
	// Measures are of posts that the head was not trained on, unless they say.
	Measures []Measure `json:"measures,omitempty"`
}

// Measure is how well a head did on a set of posts.
type Measure struct {
	On        string  `json:"on"`
	Posts     int     `json:"posts"`
	Positive  int     `json:"positive"`
	MacroF1   float64 `json:"macro_f1"`
	AUC       float64 `json:"auc"`
	AvgPrec   float64 `json:"average_precision"`
	ECE       float64 `json:"calibration_error"`
	Precision float64 `json:"precision"` // at the threshold
	Recall    float64 `json:"recall"`
	FalsePos  float64 `json:"false_positive_rate"`
}

// Data is one source of training posts.
type Data struct {
	Name    string         `json:"name"`
	Source  string         `json:"source,omitempty"`
	Licence string         `json:"licence"`
	SHA256  string         `json:"sha256"` // of the file
	Posts   int            `json:"posts"`
	Used    map[string]int `json:"used,omitempty"` // by head, "head: positive of all"
	Role    string         `json:"role,omitempty"`
}

// Training is how the weights were found.
type Training struct {
	Method  string         `json:"method,omitempty"`
	Options map[string]any `json:"options,omitempty"`
	Posts   map[string]int `json:"posts,omitempty"` // by part
}

// TableSize is the number of entries of a head's calibration table.
const TableSize = 256

// Model is a model that was read or made. It is immutable and may be used by
// any number of Scorers at once.
type Model struct {
	card  Card
	sum   string   // hex SHA-256 of the file
	table []uint64 // by bucket: the heads' weights, each plus 128; and one more, of no weights
	shift uint     // of a hash, for its bucket
	fast  fast
}

// Card returns the model's card. The caller must not change it.
func (m *Model) Card() *Card { return &m.card }

// Sum returns the checksum that ends the model's file, in hex.
func (m *Model) Sum() string { return m.sum }

// New makes a model. Weights has, for each head, the weight of each bucket, and
// calibration the TableSize probabilities of each head.
func New(card Card, weights [][]int8, calibration [][]float32) (*Model, error) {
	if err := card.check(); err != nil {
		return nil, err
	}
	n := 1 << card.Features.Bits
	m := &Model{card: card, table: make([]uint64, n+1), shift: uint(64 - card.Features.Bits)}
	if len(weights) != len(card.Heads) || len(calibration) != len(card.Heads) {
		return nil, fmt.Errorf("%d heads with %d sets of weights and %d calibration tables", len(card.Heads), len(weights), len(calibration))
	}
	for i := range m.table {
		m.table[i] = noWeights
	}
	for h, ws := range weights {
		if len(ws) != n {
			return nil, fmt.Errorf("head %q has %d weights for %d buckets", card.Heads[h].Name, len(ws), n)
		}
		for b, w := range ws {
			m.table[b] ^= uint64(uint8(w)) << (8 * h)
		}
		if err := checkTable(calibration[h]); err != nil {
			return nil, fmt.Errorf("head %q: %w", card.Heads[h].Name, err)
		}
		m.setTable(h, calibration[h])
	}
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	m.sum = sumOf(b)
	return m, nil
}

// noWeights is a bucket whose weights are all 0. A weight w is stored as w+128,
// which is w with its highest bit turned.
const noWeights = 0x8080808080808080

func checkTable(t []float32) error {
	if len(t) != TableSize {
		return fmt.Errorf("a calibration table of %d entries; want %d", len(t), TableSize)
	}
	for i, p := range t {
		if !(p >= 0 && p <= 1) || i > 0 && p < t[i-1] {
			return fmt.Errorf("entry %d of the calibration table is %v; want probabilities that do not fall", i, p)
		}
	}
	return nil
}

// check returns what is wrong with a card.
func (c *Card) check() error {
	if err := c.Features.Check(); err != nil {
		return err
	}
	if c.Name == "" || c.Version < 1 {
		return fmt.Errorf("the card has the name %q and the version %d; want a name and a version of 1 or more", c.Name, c.Version)
	}
	if len(c.Heads) < 1 || len(c.Heads) > MaxHeads {
		return fmt.Errorf("the card has %d heads; want 1 to %d", len(c.Heads), MaxHeads)
	}
	seen := map[string]bool{}
	for i := range c.Heads {
		h := &c.Heads[i]
		if !IsName(h.Name) || seen[h.Name] {
			return fmt.Errorf("head %d has the name %q; want different names of a lower-case letter, then letters, digits and '_', at most 64", i, h.Name)
		}
		seen[h.Name] = true
		for _, v := range []float32{h.Bias, h.Scale, h.Low, h.High} {
			if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 1e6 {
				return fmt.Errorf("head %q: bias, scale or calibration range is %v; want numbers of at most 1e6", h.Name, v)
			}
		}
		if h.Scale < 0 {
			return fmt.Errorf("head %q: the scale is %v; want 0 or more", h.Name, h.Scale)
		}
		if !(h.High > h.Low) || h.High-h.Low < 1e-3 {
			return fmt.Errorf("head %q: the calibration range is %v to %v; want it to rise by 0.001 or more", h.Name, h.Low, h.High)
		}
		if !(h.Threshold >= 0 && h.Threshold <= 1) {
			return fmt.Errorf("head %q: the threshold is %v; want 0 to 1", h.Name, h.Threshold)
		}
	}
	return nil
}

// IsName reports whether s can name a head: rules write it as score.<s>.
func IsName(s string) bool {
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (i == 0 || b != '_' && (b < '0' || b > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// entry is a probability, and how far the next one is above it.
type entry struct{ p, rise float32 }

// fast is what scoring needs of the heads.
type fast struct {
	bias, scale [MaxHeads]float32
	low, step   [MaxHeads]float32 // logit of the table's first entry, and entries by unit of the logit
	table       [MaxHeads][TableSize]entry
}

// setTable sets a head's calibration.
func (m *Model) setTable(head int, table []float32) {
	h, f := &m.card.Heads[head], &m.fast
	f.bias[head], f.scale[head], f.low[head], f.step[head] = h.Bias, h.Scale, h.Low, (TableSize-1)/float32(h.High-h.Low)
	for i, p := range table {
		f.table[head][i] = entry{p, table[min(i+1, TableSize-1)] - p}
	}
}

// Probability returns the calibrated probability of a head's logit: the table's
// entries, joined by lines, and level beyond its ends.
func (m *Model) Probability(head int, logit float32) float32 {
	f := &m.fast
	at := float32(float32(logit-f.low[head]) * f.step[head])
	if !(at > 0) {
		at = 0
	}
	if at > TableSize-1 {
		at = TableSize - 1
	}
	i := int32(at)
	e := &f.table[head][uint8(i)]
	return e.p + float32(e.rise*float32(at-float32(i)))
}

// logit returns a head's logit of a sum of weights that was multiplied by the
// inverse root of the tokens.
func (m *Model) logit(head int, sum float32) float32 {
	return m.fast.bias[head] + float32(m.fast.scale[head]*sum)
}

// weight returns a head's weight of a bucket.
func (m *Model) weight(head int, bucket uint32) int8 {
	return int8(m.table[bucket]>>(8*head)) ^ -128
}

// inverseRoots is inverseRoot of small numbers.
var inverseRoots = func() (t [256]float32) {
	for i := 1; i < len(t); i++ {
		t[i] = float32(1 / math.Sqrt(float64(i)))
	}
	return t
}()

// inverseRoot returns 1/sqrt(tokens), and 0 for no tokens.
func inverseRoot(tokens int) float32 {
	if tokens < len(inverseRoots) {
		return inverseRoots[tokens]
	}
	return float32(1 / math.Sqrt(float64(tokens)))
}
