package rule

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow/array"
)

// scanner finds, batch by batch, the candidate rows of each rule.
type scanner struct {
	x       *index
	m       *machine
	all     bitset
	epoch   uint64
	width   int      // words of a bitset
	atomAt  []uint64 // by atom: the epoch in which it was found
	atomSet []bitset // by atom: rows
	found   []int32  // atoms of this batch
	ruleAt  []uint64 // by rule: the epoch
	ruleSet []bitset // by rule: candidate rows
	touched []int32  // rules of this batch
}

func (s *scanner) init(x *index, m *machine) {
	*s = scanner{
		x: x, m: m,
		atomAt: make([]uint64, len(x.atoms)), atomSet: make([]bitset, len(x.atoms)),
		ruleAt: make([]uint64, x.rules), ruleSet: make([]bitset, x.rules),
	}
}

// run finds the atoms that hold somewhere in the batch, and the candidate rows
// of the rules that have several atoms.
func (s *scanner) run() {
	s.epoch++
	s.width = words(s.m.rows)
	s.all = resize(s.all, s.width)
	s.all.fill(s.m.rows)
	s.found, s.touched = s.found[:0], s.touched[:0]
	s.counts()
	s.equals()
	s.elements()
	s.texts()
	for _, id := range s.x.nodes {
		if v := s.m.eval(s.x.atoms[id].node, s.all); !v.t.empty() {
			s.atom(id).or(v.t)
		}
	}
	for _, id := range s.found {
		s.hand(id)
	}
}

// hand gives an atom's rows to those of its rules that have other atoms too.
func (s *scanner) hand(id int32) {
	rows := s.atomSet[id]
	for _, r := range s.x.atoms[id].rules {
		if s.ruleAt[r] != s.epoch {
			s.ruleAt[r] = s.epoch
			s.ruleSet[r] = append(s.ruleSet[r][:0], rows...)
			s.touched = append(s.touched, r)
			continue
		}
		s.ruleSet[r].or(rows)
	}
}

// atom returns the rows of an atom, empty when it is new to the batch.
func (s *scanner) atom(id int32) bitset {
	if s.atomAt[id] != s.epoch {
		s.atomAt[id] = s.epoch
		s.atomSet[id] = resize(s.atomSet[id], s.width)
		s.atomSet[id].clear()
		s.found = append(s.found, id)
	}
	return s.atomSet[id]
}

func resize(b bitset, n int) bitset {
	if cap(b) < n {
		return make(bitset, n)
	}
	return b[:n]
}

// counts looks for lists with hits.
func (s *scanner) counts() {
	for _, c := range s.x.count {
		nd := &s.m.nodes[c.node]
		if hits, ok := s.m.cols[nd.col].(*array.Int32); ok {
			s.hits(c, hits)
			continue
		}
		v := s.m.eval(c.node, s.all)
		for w := range s.all {
			for need := s.all[w] &^ v.err[w]; need != 0; need &= need - 1 {
				i := w<<6 + bits.TrailingZeros64(need)
				for _, id := range c.atoms {
					if v.i64[i] < s.x.atoms[id].num {
						break
					}
					s.atom(id).set(i)
				}
			}
		}
	}
}

// equals looks strings and numbers up among the constants.
func (s *scanner) equals() {
	for _, node := range s.x.equalNodes {
		table, v := s.x.equal[node], s.m.eval(node, s.all)
		for w := range s.all {
			for need := s.all[w] &^ v.err[w]; need != 0; need &= need - 1 {
				i := w<<6 + bits.TrailingZeros64(need)
				if id, ok := table[string(v.str.at(i))]; ok {
					s.atom(id).set(i)
				}
			}
		}
	}
	for _, node := range s.x.wordNodes {
		table, v := s.x.word[node], s.m.eval(node, s.all)
		for w := range s.all {
			for need := s.all[w] &^ v.err[w]; need != 0; need &= need - 1 {
				i := w<<6 + bits.TrailingZeros64(need)
				if id, ok := table[v.i64[i]]; ok {
					s.atom(id).set(i)
				}
			}
		}
	}
}

// elements looks the strings of list columns up.
func (s *scanner) elements() {
	for _, node := range s.x.elemNodes {
		nd, table := &s.m.nodes[node], s.x.elem[node]
		d := s.m.dom(nd.dom)
		sel := s.m.elements(nd.dom, d)
		sel.fill(d.n)
		v := s.m.eval(node, sel)
		list := s.m.cols[nd.col]
		for row := range s.m.rows {
			from, to := int(d.off[row]-d.base), int(d.off[row+1]-d.base)
			if from == to || list.IsNull(row) {
				continue
			}
			for j := from; j < to; j++ {
				if id, ok := table[string(v.str.at(j))]; ok && !v.err.has(j) {
					s.atom(id).set(row)
				}
			}
		}
	}
}

// texts looks for literals.
func (s *scanner) texts() {
	for _, node := range s.x.textNodes {
		lits, v := s.x.text[node], s.m.eval(node, s.all)
		row := 0
		hit := func(id int32) { s.atom(id).set(row) }
		for row = range s.m.rows {
			if !v.err.has(row) {
				lits.find(v.str.at(row), hit)
			}
		}
	}
}

// hits is counts for the column that a match step makes. Nearly all of it is
// zero; thresholds are above zero.
func (s *scanner) hits(c countAtoms, a *array.Int32) {
	for i, n := range a.Int32Values() {
		if n <= 0 || a.IsNull(i) {
			continue
		}
		for _, id := range c.atoms {
			if int64(n) < s.x.atoms[id].num {
				break
			}
			s.atom(id).set(i)
		}
	}
}
