package rule

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/internal/column"
)

// vec is what is known of a node's values in the current batch. Only the rows
// (or elements) in done have been computed. For a bool node t holds those that
// are true; err holds those whose value is an error, whatever the kind.
type vec struct {
	epoch      uint64 // of the batch that the rest is of
	n          int
	done, need bitset
	err, t     bitset
	i64        []int64 // int, uint (as bits), time (ms), duration (ns)
	f64        []float64
	str        strings3

	// Memory that stays from batch to batch.
	back         []uint64 // of the bit sets
	sel          bitset   // of a conditional's branch
	ownI64       []int64
	ownFloat     []float64
	ownLo, ownHi []int32
	ownData      []byte
}

// strings3 is a column of strings: value i is data[lo[i]:hi[i]].
type strings3 struct {
	data   []byte
	lo, hi []int32
}

func (s strings3) at(i int) []byte { return s.data[s.lo[i]:s.hi[i]] }

// domain is a set of positions that nodes have values for: the rows of the
// batch, or the elements of one of its list columns.
type domain struct {
	epoch uint64
	n     int
	off   []int32 // of a list column: row i has the elements off[i]-base up to off[i+1]-base
	base  int32
	child arrow.Array
	rowOf []int32 // by element; made when it is asked for
	rows  uint64  // epoch of rowOf
}

// machine computes nodes over one batch at a time. Arrays are kept from batch
// to batch, so that a warm machine does not allocate.
type machine struct {
	nodes  []node
	env    *Env
	vecs   []vec
	doms   []domain
	cols   []arrow.Array // by index into Env.columns
	elems  []bitset      // scratch by domain: the elements of the rows asked for
	epoch  uint64
	rows   int
	folder *folder
	act    activation
}

func newMachine(env *Env, nodes []node) *machine {
	m := &machine{
		nodes: nodes, env: env, vecs: make([]vec, len(nodes)),
		doms: make([]domain, 1+len(env.columns)), cols: make([]arrow.Array, len(env.columns)),
		elems: make([]bitset, 1+len(env.columns)), folder: &folder{},
	}
	m.act.init(env, m)
	return m
}

// begin turns to a batch. The record must have the environment's schema.
func (m *machine) begin(rec arrow.Record) error {
	if got, want := int(rec.NumCols()), m.env.schema.NumFields(); got != want {
		return fmt.Errorf("rules: a batch of %d columns, want %d: it is not of the schema that the rules were compiled for", got, want)
	}
	for i, c := range m.env.columns {
		a := rec.Column(c.index)
		if a.DataType().ID() != c.typ.ID() {
			return fmt.Errorf("rules: column %q is of type %s, want %s", c.name, a.DataType(), c.typ)
		}
		m.cols[i] = a
	}
	m.epoch++
	m.rows = int(rec.NumRows())
	m.doms[rowDomain] = domain{epoch: m.epoch, n: m.rows}
	return nil
}

// end drops the batch's memory.
func (m *machine) end() {
	clear(m.cols)
	for i := range m.doms {
		m.doms[i].child, m.doms[i].off = nil, nil
	}
}

// dom returns the domain of a node, opening it when it is new to the batch.
func (m *machine) dom(d int32) *domain {
	dom := &m.doms[d]
	if dom.epoch == m.epoch {
		return dom
	}
	dom.epoch = m.epoch
	dom.off, dom.child = column.ViewList(m.cols[d-1])
	dom.base = dom.off[0]
	dom.n = int(dom.off[len(dom.off)-1] - dom.base)
	return dom
}

// eval computes node id for the positions in sel and returns its values, which
// are good for the rest of the batch at those positions.
func (m *machine) eval(id int32, sel bitset) *vec {
	v := &m.vecs[id]
	if v.epoch != m.epoch {
		m.open(id, v)
	}
	var any uint64
	for i, s := range sel {
		w := s &^ v.done[i]
		v.need[i] = w
		v.done[i] |= w
		any |= w
	}
	if any != 0 {
		m.compute(&m.nodes[id], v)
	}
	return v
}

// open readies a node's arrays for the batch.
func (m *machine) open(id int32, v *vec) {
	nd := &m.nodes[id]
	n := m.dom(nd.dom).n
	w := words(n)
	if cap(v.back) < 4*w {
		v.back = make([]uint64, 4*w)
	}
	v.back = v.back[:4*w]
	clear(v.back)
	v.done, v.need, v.err, v.t = v.back[:w:w], v.back[w:2*w:2*w], v.back[2*w:3*w:3*w], v.back[3*w:]
	v.n, v.epoch = n, m.epoch
	switch nd.op {
	case opColumn, opElem:
		m.bind(nd, v)
	default:
		m.scratch(nd, v, n)
	}
}

// scratch gives a computed node room for its values.
func (m *machine) scratch(nd *node, v *vec, n int) {
	switch nd.kind {
	case kInt, kUint, kTime, kDuration:
		v.i64 = v.intScratch(n)
	case kDouble:
		v.f64 = v.floatScratch(n)
	case kString: // lowerAscii
		if cap(v.ownLo) < n {
			v.ownLo, v.ownHi = make([]int32, n), make([]int32, n)
		}
		v.ownData = v.ownData[:0]
		v.str = strings3{nil, v.ownLo[:n], v.ownHi[:n]}
	}
}

func (v *vec) intScratch(n int) []int64 {
	if cap(v.ownI64) < n {
		v.ownI64 = make([]int64, n)
	}
	return v.ownI64[:n]
}

func (v *vec) floatScratch(n int) []float64 {
	if cap(v.ownFloat) < n {
		v.ownFloat = make([]float64, n)
	}
	return v.ownFloat[:n]
}

// bind points a leaf at the batch's memory. Widths that kernels do not read
// are widened when they are asked for.
func (m *machine) bind(nd *node, v *vec) {
	a := m.cols[nd.col]
	from, n := 0, v.n
	if nd.op == opElem {
		d := m.dom(nd.dom)
		a, from = d.child, int(d.base)
	}
	if a.NullN() > 0 {
		for i := range n {
			if a.IsNull(from + i) {
				v.err.set(i)
			}
		}
	}
	data := a.Data()
	at := data.Offset() + from
	switch nd.typ {
	case atWord:
		v.i64 = arrow.Int64Traits.CastFromBytes(buffer(data, 1))
		v.i64 = v.i64[min(at, len(v.i64)):min(at+n, len(v.i64))]
	case atFloat64:
		v.f64 = arrow.Float64Traits.CastFromBytes(buffer(data, 1))
		v.f64 = v.f64[min(at, len(v.f64)):min(at+n, len(v.f64))]
	case atString:
		s := column.ViewStrings(a)
		v.str = strings3{s.Data, s.Offsets[from : from+n], s.Offsets[from+1:][:n]}
	case atFloat32:
		v.f64 = v.floatScratch(n)
	case atBool:
	default:
		v.i64 = v.intScratch(n)
	}
}

// buffer returns the bytes of an array's i-th buffer, which may be missing.
func buffer(d arrow.ArrayData, i int) []byte {
	if b := d.Buffers()[i]; b != nil {
		return b.Bytes()
	}
	return nil
}

// compute fills v at the positions v.need.
func (m *machine) compute(nd *node, v *vec) {
	switch nd.op {
	case opConst:
		m.constant(nd, v)
	case opColumn, opElem:
		m.widen(nd, v)
	case opOuter:
		m.outer(nd, v)
	case opListLen:
		m.listLen(nd, v)
	case opStrLen, opLower:
		m.text(nd, v)
	case opAdd, opSub, opMul, opDiv, opMod, opNeg, opTimeDiff, opTimeAdd, opTimePart, opToDouble:
		m.arith(nd, v)
	case opSelect:
		m.choose(nd, v)
	case opCompare, opCompareC:
		m.compare(nd, v)
	case opInSet, opInList, opPrefix, opSuffix, opContains, opMatches:
		m.test(nd, v)
	case opHas:
		m.present(nd, v)
	case opNot, opAnd, opOr:
		m.logic(nd, v)
	case opExists, opAll, opExistsOne:
		m.quantify(nd, v)
	case opInterpret:
		m.interpret(nd, v)
	}
}

// strict evaluates an operation's arguments where it is needed, makes an error
// of any of them the operation's, and leaves in v.need where there is none.
func (m *machine) strict(nd *node, v *vec) (a, b *vec) {
	a = m.eval(nd.args[0]-1, v.need)
	if nd.args[1] > 0 {
		b = m.eval(nd.args[1]-1, v.need)
		for i, e := range b.err {
			e &= v.need[i]
			v.err[i] |= e
		}
	}
	for i, e := range a.err {
		v.err[i] |= e & v.need[i]
		v.need[i] &^= v.err[i]
	}
	return a, b
}
