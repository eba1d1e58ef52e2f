package rule

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

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
		var fold bool
		lits, fold = requiredLiterals(n.cs)
		if shortest(lits) >= minLiteral && fold && b.nodes[a].op != opLower {
			a = b.intern(node{key: key{op: opLower, kind: kString, args: [3]int32{arg(a)}}})
		}
	}
	if shortest(lits) < minLiteral || len(lits) > maxAtoms {
		return access{}, false
	}
	var keys []atomKey
	for _, l := range lits {
		keys = append(keys, atomKey{atomText, a, l, 0})
	}
	return access{keys, 0.05 * float64(len(lits))}, true
}
