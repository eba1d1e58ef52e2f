package rule

import (
	"cmp"
	"math"
	"slices"
)

// The index is what Lucene's Monitor calls a presearcher: from each rule an
// access predicate is taken, a disjunction of atoms one of which must hold
// where the rule is true. A batch is scanned once for all atoms; a rule is
// looked at only on rows where one of its atoms holds.

// atomKind is a way of finding the rows where an atom holds.
type atomKind uint8

const (
	atomEqual atomKind = iota // a string node equals a constant: hash table by node
	atomWord                  // an int or uint node equals a constant
	atomElem                  // a list column has a string element
	atomText                  // a string node contains a literal: 4-byte windows
	atomCount                 // a node (the hits of a list) is at least a constant
	atomNode                  // a conjunct that many rules share, evaluated as it is
)

// atom is one thing to look for. Its rules are those of which it is (part of)
// the access predicate.
type atom struct {
	kind  atomKind
	node  int32 // the string, int or list node that is looked at
	text  string
	num   int64
	rules []int32 // that have other atoms too
	only  group   // rules that have no other atom
}

// group is rules with the same candidates, in an order in which neighbours
// share leading conjuncts: a trie of conjuncts, walked depth first.
type group struct {
	rules  []int32
	shared []int32 // by rule: how many leading conjuncts it has in common with the one before
}

// arrange orders the group's rules.
func (g *group) arrange(rules []compiled) {
	slices.SortFunc(g.rules, func(a, b int32) int {
		return cmp.Or(slices.Compare(rules[a].conjuncts, rules[b].conjuncts), cmp.Compare(a, b))
	})
	g.shared = make([]int32, len(g.rules))
	for k := 1; k < len(g.rules); k++ {
		a, b := rules[g.rules[k-1]].conjuncts, rules[g.rules[k]].conjuncts
		for n := 0; n < min(len(a), len(b)) && a[n] == b[n]; n++ {
			g.shared[k]++
		}
	}
}

type atomKey struct {
	kind atomKind
	node int32
	text string
	num  int64
}

// index is the atoms of a program, by the way in which they are found.
type index struct {
	atoms   []atom
	always  group // rules without an access predicate
	rules   int
	indexed int

	equal map[int32]map[string]int32 // node -> constant -> atom
	word  map[int32]map[int64]int32
	elem  map[int32]map[string]int32
	text  map[int32]*literals
	count []countAtoms
	nodes []int32 // atoms of kind atomNode

	equalNodes, wordNodes, elemNodes, textNodes []int32 // keys of the maps, in order
}

// countAtoms are the thresholds of one node, lowest first.
type countAtoms struct {
	node  int32
	atoms []int32
}

// Bounds of access predicates.
const (
	maxAtoms    = 64 // of one rule
	minLiteral  = 4  // bytes of a literal that is worth looking for
	minSharedBy = 4  // rules that make a shared conjunct worth an atom
)

// access is an access predicate with its estimated selectivity: lower is rarer.
type access struct {
	atoms []atomKey
	score float64
}

func newIndex(b *builder, rules []compiled) *index {
	x := &index{rules: len(rules), equal: map[int32]map[string]int32{}, word: map[int32]map[int64]int32{}, elem: map[int32]map[string]int32{}, text: map[int32]*literals{}}
	ids := map[atomKey]int32{}
	for i := range rules {
		best := access{score: math.Inf(1)}
		for _, c := range rules[i].conjuncts {
			if a, ok := b.access(c); ok && a.score < best.score {
				best = a
			}
		}
		if best.atoms == nil {
			best = b.shared(rules[i].conjuncts)
		}
		if best.atoms == nil {
			x.always.rules = append(x.always.rules, int32(i))
			continue
		}
		x.indexed++
		for _, k := range best.atoms {
			id, ok := ids[k]
			if !ok {
				id = int32(len(x.atoms))
				ids[k] = id
				x.atoms = append(x.atoms, atom{kind: k.kind, node: k.node, text: k.text, num: k.num})
			}
			if len(best.atoms) == 1 {
				x.atoms[id].only.rules = append(x.atoms[id].only.rules, int32(i))
			} else if r := x.atoms[id].rules; len(r) == 0 || r[len(r)-1] != int32(i) {
				x.atoms[id].rules = append(r, int32(i))
			}
		}
	}
	x.always.arrange(rules)
	for i := range x.atoms {
		x.atoms[i].only.arrange(rules)
	}
	x.arrange()
	return x
}

// arrange sorts the atoms by the way in which they are found.
func (x *index) arrange() {
	counts := map[int32]int{}
	for i := range x.atoms {
		a, id := &x.atoms[i], int32(i)
		switch a.kind {
		case atomEqual:
			put(x.equal, &x.equalNodes, a.node, a.text, id)
		case atomWord:
			put(x.word, &x.wordNodes, a.node, a.num, id)
		case atomElem:
			put(x.elem, &x.elemNodes, a.node, a.text, id)
		case atomText:
			if x.text[a.node] == nil {
				x.text[a.node] = &literals{}
				x.textNodes = append(x.textNodes, a.node)
			}
			x.text[a.node].add(a.text, id)
		case atomCount:
			at, ok := counts[a.node]
			if !ok {
				at = len(x.count)
				counts[a.node] = at
				x.count = append(x.count, countAtoms{node: a.node})
			}
			x.count[at].atoms = append(x.count[at].atoms, id)
		case atomNode:
			x.nodes = append(x.nodes, id)
		}
	}
	for _, c := range x.count {
		slices.SortFunc(c.atoms, func(p, q int32) int { return cmp.Compare(x.atoms[p].num, x.atoms[q].num) })
	}
	for _, l := range x.text {
		l.build()
	}
}

func put[K comparable](m map[int32]map[K]int32, order *[]int32, node int32, k K, id int32) {
	if m[node] == nil {
		m[node] = map[K]int32{}
		*order = append(*order, node)
	}
	m[node][k] = id
}
