package rule

import (
	"bytes"
	"math"
	"math/bits"
)

// test computes predicates of one string (or int, for a set).
func (m *machine) test(nd *node, v *vec) {
	a, _ := m.strict(nd, v)
	var want []byte
	if nd.op != opInSet && nd.op != opMatches {
		want = m.literal(nd, v)
	}
	for w, need := range v.need {
		var t uint64
		for ; need != 0; need &= need - 1 {
			bit := bits.TrailingZeros64(need)
			i := w<<6 + bit
			if nd.ints != nil {
				if _, ok := nd.ints[a.i64[i]]; ok {
					t |= 1 << bit
				}
				continue
			}
			if testString(m, nd, a.str.at(i), want) {
				t |= 1 << bit
			}
		}
		v.t[w] |= t
	}
}

func testString(m *machine, nd *node, s, want []byte) bool {
	ok := false
	switch nd.op {
	case opInSet:
		_, ok = nd.set[string(s)]
	case opInList:
		_, ok = nd.list.terms[string(m.folder.fold(s))]
	case opPrefix:
		ok = bytes.HasPrefix(s, want)
	case opSuffix:
		ok = bytes.HasSuffix(s, want)
	case opContains:
		ok = bytes.Contains(s, want)
	case opMatches:
		ok = nd.re.Match(s)
	}
	return ok
}

// literal returns the node's text as bytes, made once.
func (m *machine) literal(nd *node, v *vec) []byte {
	if v.ownData == nil {
		v.ownData = []byte(nd.cs)
	}
	return v.ownData
}

// compare computes all six comparisons: it finds where left is less and where
// it is equal, and combines them.
func (m *machine) compare(nd *node, v *vec) {
	a, b := m.strict(nd, v)
	k := m.nodes[nd.args[0]-1].kind
	var want []byte
	if k == kString && b == nil {
		want = m.literal(nd, v)
	}
	for w, need := range v.need {
		if need == 0 {
			continue
		}
		var less, equal uint64
		switch k {
		case kBool:
			x, y := a.t[w], uint64(-nd.num)
			if b != nil {
				y = b.t[w]
			}
			less, equal = ^x&y, ^(x ^ y)
		case kString:
			less, equal = compareStrings(a, b, want, w, need, nd.ci)
		case kDouble:
			var unordered uint64
			less, equal, unordered = compareDoubles(a, b, nd.cf, w, need)
			if nd.ci != cmpLess|cmpGreater { // NaN differs from everything, and all else is false of it
				need &^= unordered
			}
		case kUint:
			less, equal = compareInts(a, b, nd.num, w, need, math.MinInt64)
		default:
			less, equal = compareInts(a, b, nd.num, w, need, 0)
		}
		t := uint64(0)
		if nd.ci&cmpLess != 0 {
			t |= less
		}
		if nd.ci&cmpEqual != 0 {
			t |= equal
		}
		if nd.ci&cmpGreater != 0 {
			t |= ^(less | equal)
		}
		v.t[w] |= t & need
	}
}

// compareInts compares a word of values; flip makes unsigned order of signed.
func compareInts(a, b *vec, c int64, w int, need uint64, flip int64) (less, equal uint64) {
	c ^= flip
	for ; need != 0; need &= need - 1 {
		bit := bits.TrailingZeros64(need)
		i := w<<6 + bit
		x := a.i64[i] ^ flip
		if b != nil {
			c = b.i64[i] ^ flip
		}
		var l, e uint64
		if x < c {
			l = 1
		}
		if x == c {
			e = 1
		}
		less |= l << bit
		equal |= e << bit
	}
	return less, equal
}

func compareDoubles(a, b *vec, c float64, w int, need uint64) (less, equal, unordered uint64) {
	for ; need != 0; need &= need - 1 {
		bit := bits.TrailingZeros64(need)
		i := w<<6 + bit
		x := a.f64[i]
		if b != nil {
			c = b.f64[i]
		}
		switch {
		case x < c:
			less |= 1 << bit
		case x == c:
			equal |= 1 << bit
		case x != x || c != c:
			unordered |= 1 << bit
		}
	}
	return less, equal, unordered
}

func compareStrings(a, b *vec, c []byte, w int, need uint64, cmp int64) (less, equal uint64) {
	onlyEqual := cmp == cmpEqual || cmp == cmpLess|cmpGreater
	for ; need != 0; need &= need - 1 {
		bit := bits.TrailingZeros64(need)
		i := w<<6 + bit
		x := a.str.at(i)
		if b != nil {
			c = b.str.at(i)
		}
		if onlyEqual {
			if string(x) == string(c) {
				equal |= 1 << bit
			}
			continue
		}
		switch bytes.Compare(x, c) {
		case -1:
			less |= 1 << bit
		case 0:
			equal |= 1 << bit
		}
	}
	return less, equal
}
