package rule

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strings"
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

// shared takes the conjunct that most rules share: it is evaluated once for all
// of them.
func (b *builder) shared(conjuncts []int32) access {
	best := int32(-1)
	for _, c := range conjuncts {
		if n := &b.nodes[c]; n.users >= minSharedBy && n.op != opInterpret && (best < 0 || n.users > b.nodes[best].users) {
			best = c
		}
	}
	if best < 0 {
		return access{}
	}
	return access{atoms: []atomKey{{kind: atomNode, node: best}}}
}

// access returns the atoms of which one holds wherever node id is true.
func (b *builder) access(id int32) (access, bool) {
	n := &b.nodes[id]
	switch n.op {
	case opAnd:
		l, lok := b.access(n.args[0] - 1)
		r, rok := b.access(n.args[1] - 1)
		if lok && (!rok || l.score <= r.score) {
			return l, true
		}
		return r, rok
	case opOr:
		l, lok := b.access(n.args[0] - 1)
		r, rok := b.access(n.args[1] - 1)
		if !lok || !rok || len(l.atoms)+len(r.atoms) > maxAtoms {
			return access{}, false
		}
		return access{slices.Concat(l.atoms, r.atoms), l.score + r.score}, true
	case opExists, opExistsOne:
		return b.elementAccess(n)
	case opContains, opMatches, opPrefix, opSuffix:
		return b.textAccess(n)
	case opCompareC, opInSet:
		return b.valueAccess(n)
	}
	return access{}, false
}

// commonColumns have few values, so that equality says little.
var commonColumns = []string{"lang", "kind", "platform", "source"}

func (b *builder) valueAccess(n *node) (access, bool) {
	a := n.args[0] - 1
	leaf := &b.nodes[a]
	if leaf.op != opColumn {
		return access{}, false
	}
	name, score := b.env.columns[leaf.col].name, 0.01
	if slices.Contains(commonColumns, name) {
		score = 1.5
	}
	if isCount := strings.HasPrefix(name, "match."); isCount && n.op == opCompareC && leaf.kind == kInt {
		return countAccess(n, a)
	}
	if n.op == opCompareC && n.ci != cmpEqual {
		return access{}, false
	}
	var keys []atomKey
	switch {
	case leaf.kind == kString && n.op == opInSet:
		for s := range n.set {
			keys = append(keys, atomKey{atomEqual, a, s, 0})
		}
	case leaf.kind == kString:
		keys = []atomKey{{atomEqual, a, n.cs, 0}}
	case (leaf.kind == kInt || leaf.kind == kUint) && n.op == opInSet:
		for v := range n.ints {
			keys = append(keys, atomKey{atomWord, a, "", v})
		}
	case leaf.kind == kInt || leaf.kind == kUint:
		keys = []atomKey{{atomWord, a, "", n.num}}
	}
	if len(keys) == 0 || len(keys) > maxAtoms {
		return access{}, false
	}
	slices.SortFunc(keys, func(x, y atomKey) int { return cmp.Or(strings.Compare(x.text, y.text), cmp.Compare(x.num, y.num)) })
	return access{keys, score * float64(len(keys))}, true
}

// countAccess is for comparisons that fail where a list has no hit.
func countAccess(n *node, a int32) (access, bool) {
	least := n.num
	switch n.ci {
	case cmpGreater:
		if least == math.MaxInt64 {
			return access{}, false
		}
		least++
	case cmpLess | cmpGreater: // != 0
		if least != 0 {
			return access{}, false
		}
		least = 1
	case cmpEqual, cmpGreater | cmpEqual:
	default:
		return access{}, false
	}
	if least < 1 {
		return access{}, false
	}
	return access{[]atomKey{{atomCount, a, "", least}}, 0.1 / float64(least)}, true
}

// elementAccess is for exists over string elements.
func (b *builder) elementAccess(n *node) (access, bool) {
	body := &b.nodes[n.args[0]-1]
	if body.op != opCompareC && body.op != opInSet || body.op == opCompareC && body.ci != cmpEqual {
		return access{}, false
	}
	leaf := body.args[0] - 1
	if b.nodes[leaf].op != opElem || b.nodes[leaf].kind != kString {
		return access{}, false
	}
	keys := []atomKey{{atomElem, leaf, body.cs, 0}}
	if body.op == opInSet {
		keys = keys[:0]
		for s := range body.set {
			keys = append(keys, atomKey{atomElem, leaf, s, 0})
		}
		slices.SortFunc(keys, func(x, y atomKey) int { return strings.Compare(x.text, y.text) })
	}
	if len(keys) > maxAtoms {
		return access{}, false
	}
	return access{keys, 0.02 * float64(len(keys))}, true
}

// textAccess is for literals in text.
func (b *builder) textAccess(n *node) (access, bool) {
	a := n.args[0] - 1
	if n.dom != rowDomain {
		return access{}, false
	}
	lits := []string{n.cs}
	if n.op == opMatches {
		lits = requiredLiterals(n.cs)
	}
	if len(lits) == 0 || len(lits) > maxAtoms {
		return access{}, false
	}
	var keys []atomKey
	for _, l := range lits {
		if len(l) < minLiteral {
			return access{}, false
		}
		keys = append(keys, atomKey{atomText, a, l, 0})
	}
	return access{keys, 0.05 * float64(len(lits))}, true
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

// literals finds many literals in a column of strings in one pass: each literal
// is filed under a window of four of its bytes, and a bitmap of hashed windows
// says at most places that nothing can begin there.
type literals struct {
	texts   []string
	atoms   []int32
	shift   uint
	bitmap  []uint64
	windows map[uint32][]placed
}

// placed is a literal whose window begins at byte at.
type placed struct {
	lit int32
	at  int32
}

func (l *literals) add(text string, atom int32) {
	l.texts = append(l.texts, text)
	l.atoms = append(l.atoms, atom)
}

// hashFactor is 2^32 divided by the golden ratio (Knuth's multiplicative hash).
const hashFactor = 0x9E3779B1

func hashWindow(w uint32, shift uint) uint32 { return w * hashFactor >> shift }

// build chooses a window of each literal: the one that fewest literals have,
// since what many have is common in text too.
func (l *literals) build() {
	size := max(12, min(20, bits.Len(uint(len(l.texts)*32))))
	l.shift = uint(32 - size)
	l.bitmap = make([]uint64, 1<<size/64)
	uses := map[uint32]int{}
	for _, t := range l.texts {
		for i := 0; i+4 <= len(t); i++ {
			uses[binary.LittleEndian.Uint32([]byte(t[i:i+4]))]++
		}
	}
	l.windows = map[uint32][]placed{}
	for n, t := range l.texts {
		best, at := math.MaxInt, 0
		for i := 0; i+4 <= len(t); i++ {
			u := 4 * uses[binary.LittleEndian.Uint32([]byte(t[i:i+4]))]
			if strings.Contains(t[i:i+4], " ") {
				u++
			}
			if u < best {
				best, at = u, i
			}
		}
		w := binary.LittleEndian.Uint32([]byte(t[at : at+4]))
		l.windows[w] = append(l.windows[w], placed{int32(n), int32(at)})
		h := hashWindow(w, l.shift)
		l.bitmap[h>>6] |= 1 << (h & 63)
	}
}

// find calls hit for each literal that s contains, perhaps several times.
func (l *literals) find(s []byte, hit func(atom int32)) {
	if len(s) < 4 {
		return
	}
	bitmap, shift := l.bitmap, l.shift
	w := binary.LittleEndian.Uint32(s) << 8
	for i, c := range s[3:] {
		w = w>>8 | uint32(c)<<24 // the window s[i:i+4]
		h := w * hashFactor >> (shift & 31)
		if bitmap[h>>6]>>(h&63)&1 != 0 {
			l.verify(s, i, w, hit)
		}
	}
}

// verify compares the literals whose window is w with the text around s[i:].
func (l *literals) verify(s []byte, i int, w uint32, hit func(atom int32)) {
	for _, p := range l.windows[w] {
		from, t := i-int(p.at), l.texts[p.lit]
		if from >= 0 && from+len(t) <= len(s) && string(s[from:from+len(t)]) == t {
			hit(l.atoms[p.lit])
		}
	}
}
