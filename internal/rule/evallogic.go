package rule

import (
	"math/bits"

	"github.com/google/cel-go/common/types"
)

// logic computes !, && and || by CEL's rule: an error is absorbed when the
// other side decides. The right side is computed only where the left does not.
func (m *machine) logic(nd *node, v *vec) {
	a := m.eval(nd.args[0]-1, v.need)
	if nd.op == opNot {
		for i, need := range v.need {
			v.err[i] |= a.err[i] & need
			v.t[i] |= need &^ a.t[i] &^ a.err[i]
		}
		return
	}
	// x || y is computed as it is; x && y is the same with true and false
	// exchanged.
	and := nd.op == opAnd
	for i, need := range v.need {
		decided := a.t[i]
		if and {
			decided = ^(a.t[i] | a.err[i])
		} else {
			v.t[i] |= need & a.t[i]
		}
		v.need[i] = need &^ decided
	}
	b := m.eval(nd.args[1]-1, v.need)
	for i, need := range v.need { // left is true for &&, false for ||, or an error
		left, right := a.err[i]&need, b.err[i]&need
		if and {
			yes := b.t[i] & need
			v.t[i] |= yes &^ left
			v.err[i] |= right | left&yes
		} else {
			v.t[i] |= b.t[i] & need
			v.err[i] |= right | left&^b.t[i]
		}
	}
}

// choose computes c ? a : b, each branch only where it is chosen.
func (m *machine) choose(nd *node, v *vec) {
	c := m.eval(nd.args[0]-1, v.need)
	for branch := 1; branch <= 2; branch++ {
		id := nd.args[branch] - 1
		sel := m.branch(v, c, branch == 1)
		x := m.eval(id, sel)
		for w, s := range sel {
			v.err[w] |= x.err[w] & s
			if nd.kind == kBool {
				v.t[w] |= x.t[w] & s
				continue
			}
			for ; s != 0; s &= s - 1 {
				i := w<<6 + bits.TrailingZeros64(s)
				if nd.kind == kDouble {
					v.f64[i] = x.f64[i]
				} else {
					v.i64[i] = x.i64[i]
				}
			}
		}
	}
	for w, need := range v.need {
		v.err[w] |= c.err[w] & need
	}
}

// branch returns where c chooses the first or the second branch.
func (m *machine) branch(v, c *vec, first bool) bitset {
	v.sel = resize(v.sel, len(v.need))
	for w, need := range v.need {
		if first {
			v.sel[w] = need & c.t[w]
		} else {
			v.sel[w] = need &^ c.t[w] &^ c.err[w]
		}
	}
	return v.sel
}

// quantify computes exists, all and exists_one from the predicate's values at
// the elements. exists is an || over them, all an &&, and exists_one counts,
// for which every element must have a value.
func (m *machine) quantify(nd *node, v *vec) {
	d := m.dom(nd.col + 1)
	m.listErrors(nd, v)
	sel := m.elements(nd.col+1, d)
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			sel.setRange(int(d.off[i]-d.base), int(d.off[i+1]-d.base))
		}
	}
	body := m.eval(nd.args[0]-1, sel)
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			trues, errs, n := 0, 0, int(d.off[i+1]-d.off[i])
			for j, end := int(d.off[i]-d.base), int(d.off[i+1]-d.base); j < end; j++ {
				trues += int(body.t[j>>6] >> (j & 63) & 1)
				errs += int(body.err[j>>6] >> (j & 63) & 1)
			}
			var yes, bad bool
			switch nd.op {
			case opExists:
				yes = trues > 0
				bad = !yes && errs > 0
			case opAll:
				yes = trues == n
				bad = errs > 0 && trues+errs == n
			default:
				bad = errs > 0
				yes = trues == 1 && !bad
			}
			if yes {
				v.t.set(i)
			}
			if bad {
				v.err.set(i)
			}
		}
	}
}

// outer copies the rows' values of a column to their elements.
func (m *machine) outer(nd *node, v *vec) {
	rowOf := m.rowOf(nd.dom)
	v.sel = resize(v.sel, words(m.rows))
	v.sel.clear()
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			v.sel.set(int(rowOf[w<<6+bits.TrailingZeros64(need)]))
		}
	}
	a := m.eval(nd.args[0]-1, v.sel)
	v.str.data = a.str.data
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			j := w<<6 + bits.TrailingZeros64(need)
			i := int(rowOf[j])
			switch {
			case a.err.has(i):
				v.err.set(j)
			case nd.kind == kBool:
				if a.t.has(i) {
					v.t.set(j)
				}
			case nd.kind == kString:
				v.str.lo[j], v.str.hi[j] = a.str.lo[i], a.str.hi[i]
			case nd.kind == kDouble:
				v.f64[j] = a.f64[i]
			default:
				v.i64[j] = a.i64[i]
			}
		}
	}
}

// rowOf returns the row of each element of a list column.
func (m *machine) rowOf(dom int32) []int32 {
	d := m.dom(dom)
	if d.rows != m.epoch {
		d.rows = m.epoch
		d.rowOf = d.rowOf[:0]
		for row := range m.rows {
			for range d.off[row+1] - d.off[row] {
				d.rowOf = append(d.rowOf, int32(row))
			}
		}
	}
	return d.rowOf
}

// listErrors makes rows whose list is null errors and takes them out of need.
func (m *machine) listErrors(nd *node, v *vec) {
	a := m.cols[nd.col]
	if a.NullN() == 0 {
		return
	}
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			if i := w<<6 + bits.TrailingZeros64(need); a.IsNull(i) {
				v.err.set(i)
			}
		}
		v.need[w] &^= v.err[w]
	}
}

// elements returns an empty set of elements of a domain. It is read before
// anything else asks for one of the same domain.
func (m *machine) elements(dom int32, d *domain) bitset {
	n := words(d.n)
	if cap(m.elems[dom]) < n {
		m.elems[dom] = make(bitset, n)
	}
	m.elems[dom] = m.elems[dom][:n]
	m.elems[dom].clear()
	return m.elems[dom]
}

// listLen computes size() of a list column.
func (m *machine) listLen(nd *node, v *vec) {
	m.listErrors(nd, v)
	d := m.dom(nd.col + 1)
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			v.i64[i] = int64(d.off[i+1] - d.off[i])
		}
	}
}

// present computes has(column).
func (m *machine) present(nd *node, v *vec) {
	a := m.cols[nd.col]
	data := a.Data()
	var off []int32
	if nd.typ == atString || nd.typ == atList {
		if b := buffer(data, 1); len(b) > 0 {
			off = arrowOffsets(b, data.Offset(), data.Len())
		}
	}
	nulls := a.NullN() > 0
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			if nulls && a.IsNull(i) || off != nil && off[i] == off[i+1] {
				continue
			}
			v.t.set(i)
		}
	}
}

// interpret runs cel-go's evaluator row by row.
func (m *machine) interpret(nd *node, v *vec) {
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			m.act.row = w<<6 + bits.TrailingZeros64(need)
			out, _, err := nd.prog.Eval(&m.act)
			switch {
			case err != nil:
				v.err.set(m.act.row)
			case out == types.True:
				v.t.set(m.act.row)
			case out != types.False:
				v.err.set(m.act.row)
			}
		}
	}
}
