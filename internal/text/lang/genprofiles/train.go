package main

import (
	"maps"
	"math"
	"slices"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

// How the probabilities are made; chosen by trials on real posts.
const (
	prior     = 4    // occurrences that the shorter context counts as
	least     = 1e-8 // windows that are rarer on average have no say in their row
	mix       = 0.3  // the say of other languages' windows in the cost of a row
	markPrior = 100  // occurrences that a rare mark counts as
	markCost  = 12   // the most that a mark costs
)

// smoothed gives the probabilities of a language's symbols after others: those
// after three, mixed with those after two, and so on (Dirichlet smoothing; Zhai
// and Lafferty, "A Study of Smoothing Methods for Language Models", 2001).
type smoothed struct {
	count   [4]map[uint32]float64 // of windows of 1 to 4 symbols
	context [4]map[uint32]float64 // of these without their last symbol
}

func smooth(m *model) *smoothed {
	s := &smoothed{}
	for n := range s.count {
		s.count[n], s.context[n] = map[uint32]float64{}, map[uint32]float64{}
		mask := uint32(1)<<(profile.SymbolBits*(n+1)) - 1
		for _, w := range slices.Sorted(maps.Keys(m.windows)) { // in order: sums of floats depend on it
			s.count[n][w&mask] += m.windows[w]
			s.context[n][w&mask>>profile.SymbolBits] += m.windows[w]
		}
	}
	return s
}

// p returns the probability of the window's last symbol after those before it.
func (s *smoothed) p(w uint32) float64 {
	p := 1.0 / profile.Letters
	for n := range s.count {
		part := w & (1<<(profile.SymbolBits*(n+1)) - 1)
		p = (s.count[n][part] + prior*p) / (s.context[n][part>>profile.SymbolBits] + prior)
	}
	return p
}

// train makes the tables of a group.
func train(a *letters, g group, models []*model) profile.Group {
	out := profile.Group{Bits: g.bits}
	var langs []*smoothed
	share := map[uint32]float64{} // of windows, on average
	letter := map[uint32]float64{}
	for i, m := range models {
		out.Languages = append(out.Languages, g.languages[i].code)
		out.Prior = append(out.Prior, g.languages[i].prior)
		s := smooth(m)
		langs = append(langs, s)
		total := s.context[0][0]
		for w, n := range m.windows {
			share[w] += n / total / float64(len(models))
		}
		for sym, n := range s.count[0] {
			letter[sym] += n / total / float64(len(models))
		}
	}
	lanes := len(langs) + 1
	sums := make([][]float64, 1<<g.bits)
	weights := make([][]float64, 1<<g.bits)
	for _, w := range slices.Sorted(maps.Keys(share)) {
		q := share[w]
		if q < least {
			continue
		}
		h := profile.Hash(w, g.bits)
		if sums[h] == nil {
			sums[h] = make([]float64, lanes)
			weights[h] = make([]float64, lanes)
		}
		// Windows share rows. For each language the row stands for the windows
		// that it has itself, and a little for those that others have: so a
		// collision tells less of languages that have one of the windows, and
		// does not tell against them.
		for l, s := range langs {
			own := mix*q + models[l].windows[w]/s.context[0][0]
			weights[h][l] += own
			sums[h][l] -= own * math.Log(s.p(w))
		}
		weights[h][lanes-1] += q
		sums[h][lanes-1] += q * (g.none - math.Log(letter[w&profile.Joiner]))
	}
	width := out.Width()
	out.Rows = make([]uint64, width<<g.bits)
	for h, sum := range sums {
		if sum == nil { // of no language
			for l := range langs {
				put(out.Rows[h*width:], l, max(0, 4-2*g.none))
			}
			continue
		}
		for l := range sum {
			sum[l] /= weights[h][l]
		}
		costs(out.Rows[h*width:], sum, profile.MaxCost)
	}
	out.Marks = marks(a, models, width)
	return out
}

// costs puts the lanes' costs, less the least one.
func costs(row []uint64, nats []float64, most float64) {
	low := slices.Min(nats)
	for l, v := range nats {
		put(row, l, min(most, math.Round((v-low)/profile.Step)))
	}
}

func put(row []uint64, lane int, cost float64) {
	row[lane/profile.Lanes] |= uint64(cost) << (8 * (lane % profile.Lanes))
}

// marks makes the rows of marks: how likely a Latin letter has the mark, and how
// likely a letter of another script is the one.
func marks(a *letters, models []*model, width int) []uint64 {
	out := make([]uint64, width*(a.marks+1))
	for _, low := range slices.Sorted(maps.Keys(a.marked)) {
		var nats []float64
		sum := 0.0
		for _, m := range models {
			with, all := 0.0, 0.0
			for _, r := range slices.Sorted(maps.Keys(m.letters)) {
				n := m.letters[r]
				if a.group != 0 || a.symbol[r] == a.symbol[low] {
					all += n
				}
				if a.symbol[r] == a.symbol[low] && a.mark[r] == a.mark[low] {
					with += n
				}
			}
			p := (with + markPrior*1e-4) / (all + markPrior)
			sum += p
			nats = append(nats, -math.Log(p))
		}
		nats = append(nats, -math.Log(sum/float64(len(models)))) // no language
		costs(out[width*int(a.mark[low]):], nats, markCost)
	}
	return out
}
