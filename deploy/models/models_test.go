// Package models_test holds the shipped models to their cards.
package models_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/internal/model/train"
	"github.com/sluicehq/sluice/internal/realdata"
)

const maxSize = 2 << 20

// free are the licences that let a trained model be given on.
var free = []string{"MIT", "CC BY 4.0"}

func read(tb testing.TB) ([]byte, *model.Model, *train.Config) {
	tb.Helper()
	data, err := os.ReadFile("abuse.slm")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := model.Read(data)
	if err != nil {
		tb.Fatalf("%v\nAfter a change of the text kernels the model is trained again:\n\tSLUICE_DATA=... go run ./cmd/sluice train -c deploy/models/abuse.yaml --out deploy/models/abuse.slm", err)
	}
	text, err := os.ReadFile("abuse.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	c, err := train.ParseConfig("abuse.yaml", text)
	if err != nil {
		tb.Fatal(err)
	}
	return data, m, c
}

// TestCard checks that the file loads, is small, is what its training file
// describes, and learnt from free posts only.
func TestCard(t *testing.T) {
	data, m, c := read(t)
	card := m.Card()
	if len(data) > maxSize {
		t.Errorf("%d bytes, want at most %d", len(data), maxSize)
	}
	if card.Name != c.Name || card.Version != c.Version || card.Date != c.Date || card.Use != c.Use || len(card.Limits) == 0 || len(card.Biases) == 0 || card.Licence == "" {
		t.Errorf("the card is not that of abuse.yaml: %+v", card)
	}
	if len(card.Data) != len(c.Inputs) {
		t.Errorf("%d sources of posts, abuse.yaml has %d", len(card.Data), len(c.Inputs))
	}
	for _, d := range card.Data {
		if !slices.Contains(free, d.Licence) || d.Source == "" || len(d.SHA256) != 64 || d.Posts == 0 {
			t.Errorf("%+v: want a licence of %v, a source, a checksum and posts", d, free)
		}
	}
	for i, h := range card.Heads {
		if h.Name != c.Heads[i].Name || h.Chosen == "" || h.Threshold <= 0 || h.Threshold >= 1 {
			t.Errorf("head %+v", h)
		}
		test := slices.IndexFunc(h.Measures, func(m model.Measure) bool { return m.On == "test part" })
		if test < 0 {
			t.Fatalf("head %s has no measure on its test part", h.Name)
		}
		if r := h.Measures[test]; r.Posts < 1000 || r.AUC < 0.8 || r.MacroF1 < 0.65 {
			t.Errorf("head %s on its test part: %+v", h.Name, r)
		}
	}
	e := train.NewEvaluator(m)
	for _, text := range []string{"a walk in the snow", "", "Zwei Stunden im Zug, dann Regen", "https://x.example @someone"} {
		for h, p := range e.Probability(text) {
			if p >= card.Heads[h].Threshold {
				t.Errorf("%q: %s is %v, which is a detection", text, card.Heads[h].Name, p)
			}
		}
	}
}

func load(t *testing.T, c *train.Config) (out []*train.Loaded) {
	t.Helper()
	t.Setenv("SLUICE_DATA", realdata.Path(t)) // which the inputs' paths begin with
	for i := range c.Inputs {
		l, err := c.Load(".", &c.Inputs[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// TestNoPosts checks that no post of the data stands in the file.
func TestNoPosts(t *testing.T) {
	data, m, c := read(t)
	card, err := json.Marshal(m.Card())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range load(t, c) {
		for _, p := range l.Posts {
			text := strings.TrimSpace(p.Text)
			if len(text) < 16 {
				continue
			}
			n++
			if bytes.Contains(card, []byte(text)) || n%50 == 0 && bytes.Contains(data, []byte(text)) {
				t.Fatalf("a post of %s stands in the model's file", l.Name)
			}
		}
	}
	if n < 50_000 {
		t.Errorf("%d posts were looked for, want at least 50,000", n)
	}
}

// TestTrainedAgain checks that the training file gives the shipped bytes.
func TestTrainedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model on 100,000 posts")
	}
	data, _, c := read(t)
	out, err := train.Fit(c, load(t, c), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	again, err := out.Model.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Errorf("abuse.slm has the checksum %x, training gives %s: train it again and commit it", data[len(data)-32:], out.Model.Sum())
	}
}
