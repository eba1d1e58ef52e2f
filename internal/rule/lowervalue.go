package rule

import (
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// maxUnrolled bounds the list literals whose comprehensions are unrolled.
const maxUnrolled = 64

// column returns the column that a variable names.
func (b *builder) column(x celast.Expr) (int, bool) {
	if x.Kind() != celast.IdentKind {
		return 0, false
	}
	i, ok := b.env.names[strings.TrimPrefix(x.AsIdent(), ".")]
	return i, ok
}

// value lowers an expression of any kind but a list literal.
func (b *builder) value(x celast.Expr, sc scope) (int32, bool) {
	if v, ok := b.constant(x, sc); ok {
		return b.constNode(v, sc.dom)
	}
	switch x.Kind() {
	case celast.IdentKind:
		return b.variable(x.AsIdent(), sc)
	case celast.CallKind:
		return b.valueCall(x, sc)
	}
	return 0, false
}

func (b *builder) variable(name string, sc scope) (int32, bool) {
	name = strings.TrimPrefix(name, ".")
	if name == sc.elem && name != "" {
		return b.element(sc)
	}
	if sc.dom != rowDomain {
		id, ok := b.variable(name, scope{})
		return b.outer(id, sc.dom, ok)
	}
	if col, ok := strings.CutPrefix(name, hasPrefix); ok {
		i := b.env.names[col]
		c := b.env.columns[i]
		return b.intern(node{key: key{op: opHas, kind: kBool, col: int32(i)}, typ: arrowTypeOf(c.typ)}), true
	}
	i, ok := b.env.names[name]
	if !ok {
		return 0, false
	}
	c := b.env.columns[i]
	return b.intern(node{key: key{op: opColumn, kind: c.kind, col: int32(i)}, typ: arrowTypeOf(c.typ)}), true
}

// outer carries a scalar column into the domain of a list column's elements.
func (b *builder) outer(id, dom int32, ok bool) (int32, bool) {
	if !ok || b.nodes[id].kind >= kListString || b.nodes[id].op != opColumn && b.nodes[id].op != opHas {
		return 0, false
	}
	return b.intern(node{key: key{op: opOuter, kind: b.nodes[id].kind, dom: dom, args: [3]int32{arg(id)}}}), true
}

// element makes the node of a list column's elements.
func (b *builder) element(sc scope) (int32, bool) {
	c := b.env.columns[sc.col]
	kinds := map[kind]kind{kListString: kString, kListInt: kInt, kListUint: kUint, kListDouble: kDouble}
	k, ok := kinds[c.kind]
	if !ok {
		return 0, false
	}
	typ := arrowTypeOf(c.typ.(*arrow.ListType).Elem())
	return b.intern(node{key: key{op: opElem, kind: k, dom: sc.dom, col: int32(sc.col)}, typ: typ}), true
}

var arithmetic = map[string]op{
	operators.Add: opAdd, operators.Subtract: opSub, operators.Multiply: opMul,
	operators.Divide: opDiv, operators.Modulo: opMod,
}

var timeParts = map[string]int64{
	"getHours": partHours, "getMinutes": partMinutes, "getSeconds": partSeconds,
	"getMilliseconds": partMillis, "getDayOfWeek": partWeekday,
}

func (b *builder) valueCall(x celast.Expr, sc scope) (int32, bool) {
	call := x.AsCall()
	args, name := call.Args(), call.FunctionName()
	if o, ok := arithmetic[name]; ok {
		return b.arith(o, args, sc)
	}
	switch name {
	case operators.Negate:
		a, ok := b.value(args[0], sc)
		if !ok || b.nodes[a].kind != kInt && b.nodes[a].kind != kDouble {
			return 0, false
		}
		return b.unary(opNeg, b.nodes[a].kind, a, sc, true)
	case operators.Conditional:
		k := kindOfCEL(b.ast.GetType(x.ID()))
		if k == kNone {
			return 0, false
		}
		return b.conditional(args, k, sc)
	case "size":
		if call.IsMemberFunction() {
			args = []celast.Expr{call.Target()}
		}
		return b.size(args[0], sc)
	case "double":
		a, ok := b.value(args[0], sc)
		return b.unary(opToDouble, kDouble, a, sc, ok && b.nodes[a].kind == kInt)
	case "lowerAscii":
		a, ok := b.value(call.Target(), sc)
		return b.unary(opLower, kString, a, sc, ok)
	}
	if part, ok := timeParts[name]; ok && len(args) == 0 && call.IsMemberFunction() {
		a, ok := b.value(call.Target(), sc)
		if !ok || b.nodes[a].kind != kTime {
			return 0, false
		}
		return b.intern(node{key: key{op: opTimePart, kind: kInt, dom: sc.dom, args: [3]int32{arg(a)}, ci: part}}), true
	}
	// A bool call as a value: the operand of == and !=.
	if b.ast.GetType(x.ID()) == types.BoolType {
		return b.tryBoolean(x, sc)
	}
	return 0, false
}

// kindOfCEL returns the kind of a checked scalar type.
func kindOfCEL(t *types.Type) kind {
	for k := kBool; k <= kDuration; k++ {
		if t != nil && celTypes[k].IsExactType(t) {
			return k
		}
	}
	return kNone
}

func (b *builder) size(x celast.Expr, sc scope) (int32, bool) {
	if i, ok := b.column(x); ok && b.env.columns[i].kind >= kListString && sc.dom == rowDomain {
		return b.intern(node{key: key{op: opListLen, kind: kInt, col: int32(i)}}), true
	}
	a, ok := b.value(x, sc)
	return b.unary(opStrLen, kInt, a, sc, ok && b.nodes[a].kind == kString)
}

func (b *builder) arith(o op, args []celast.Expr, sc scope) (int32, bool) {
	l, ok := b.value(args[0], sc)
	if !ok {
		return 0, false
	}
	k := b.nodes[l].kind
	if v, isConst := b.constant(args[1], sc); isConst && k == kTime && (o == opAdd || o == opSub) {
		d, ok := v.(types.Duration)
		if !ok || d.Duration%time.Millisecond != 0 {
			return b.timeDiff(o, l, args[1], sc)
		}
		ms := d.Milliseconds()
		if o == opSub {
			ms = -ms
		}
		return b.intern(node{key: key{op: opTimeAdd, kind: kTime, dom: sc.dom, args: [3]int32{arg(l)}, ci: ms}}), true
	}
	if k == kTime {
		return b.timeDiff(o, l, args[1], sc)
	}
	r, ok := b.value(args[1], sc)
	if !ok || b.nodes[r].kind != k {
		return 0, false
	}
	switch {
	case k == kInt, k == kUint:
	case k == kDouble && o != opMod:
	case k == kDuration && (o == opAdd || o == opSub):
	default:
		return 0, false
	}
	return b.intern(node{key: key{op: o, kind: k, dom: sc.dom, args: [3]int32{arg(l), arg(r)}}}), true
}

// timeDiff lowers time - time.
func (b *builder) timeDiff(o op, l int32, right celast.Expr, sc scope) (int32, bool) {
	r, ok := b.value(right, sc)
	if !ok || o != opSub || b.nodes[r].kind != kTime {
		return 0, false
	}
	return b.intern(node{key: key{op: opTimeDiff, kind: kDuration, dom: sc.dom, args: [3]int32{arg(l), arg(r)}}}), true
}

// comprehension lowers exists, all and exists_one over a list column, and
// unrolls exists and all over a list literal.
func (b *builder) comprehension(f celast.ComprehensionExpr, sc scope) (int32, bool) {
	o, pred, ok := macroOf(f)
	if !ok || f.HasIterVar2() {
		return 0, false
	}
	if f.IterRange().Kind() == celast.ListKind {
		return b.unroll(o, f, pred, sc)
	}
	col, ok := b.column(f.IterRange())
	if !ok || sc.elem != "" {
		return 0, false
	}
	body, ok := b.tryBoolean(pred, scope{consts: sc.consts, elem: f.IterVar(), dom: int32(1 + col), col: col})
	if !ok {
		return 0, false
	}
	return b.quantifier(o, col, body), true
}

func (b *builder) quantifier(o op, col int, body int32) int32 {
	return b.intern(node{key: key{op: o, kind: kBool, args: [3]int32{arg(body)}, col: int32(col)}})
}

// unroll lowers ["a", "b"].exists(w, p(w)) as p("a") || p("b").
func (b *builder) unroll(o op, f celast.ComprehensionExpr, pred celast.Expr, sc scope) (int32, bool) {
	elems := f.IterRange().AsList().Elements()
	if o == opExistsOne || len(elems) == 0 || len(elems) > maxUnrolled || len(sc.consts) > 0 {
		return 0, false
	}
	var ids []int32
	for _, e := range elems {
		v, ok := b.constant(e, sc)
		if !ok {
			return 0, false
		}
		inner := sc
		inner.consts = map[string]ref.Val{f.IterVar(): v}
		id, ok := b.tryBoolean(pred, inner)
		if !ok {
			return 0, false
		}
		ids = append(ids, id)
	}
	if o == opAll {
		return b.chain(opAnd, ids, sc), true
	}
	return b.chain(opOr, ids, sc), true
}

// macroOf recognises what the macros exists, all and exists_one expand to, and
// returns their predicate.
func macroOf(f celast.ComprehensionExpr) (op, celast.Expr, bool) {
	step := f.LoopStep()
	if step.Kind() != celast.CallKind {
		return 0, nil, false
	}
	args := step.AsCall().Args()
	accu := func(x celast.Expr) bool { return x.Kind() == celast.IdentKind && x.AsIdent() == f.AccuVar() }
	switch step.AsCall().FunctionName() {
	case operators.LogicalOr:
		if len(args) == 2 && accu(args[0]) && accu(f.Result()) {
			return opExists, args[1], true
		}
	case operators.LogicalAnd:
		if len(args) == 2 && accu(args[0]) && accu(f.Result()) {
			return opAll, args[1], true
		}
	case operators.Conditional:
		if r := f.Result(); accu(args[2]) && r.Kind() == celast.CallKind && r.AsCall().FunctionName() == operators.Equals {
			return opExistsOne, args[0], true
		}
	}
	return 0, nil, false
}
