package rule

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// builder lowers conditions into one graph. Equal nodes are made once.
type builder struct {
	env   *Env
	nodes []node
	index map[key]int32

	ast         *celast.AST // of the condition at hand
	interpreted int         // nodes of it that cel-go evaluates
	err         error       // of cel-go, which should not happen
}

func newBuilder(e *Env) *builder { return &builder{env: e, index: map[key]int32{}} }

// scope holds the variables that comprehensions bind where an expression
// stands. A variable is a constant (an unrolled list literal) or the element of
// a list column; then dom is that column's domain.
type scope struct {
	consts map[string]ref.Val
	elem   string
	dom    int32
	col    int // of elem
}

func (s scope) bound() bool { return len(s.consts) > 0 || s.elem != "" }

// intern returns the node equal to n, which it adds if there is none.
func (b *builder) intern(n node) int32 {
	if id, ok := b.index[n.key]; ok {
		return id
	}
	n.cost = b.price(&n)
	id := int32(len(b.nodes))
	b.nodes = append(b.nodes, n)
	b.index[n.key] = id
	return id
}

// prices by operation, in about nanoseconds a value; see price.
var prices = [...]int{
	opStrLen: 40, opLower: 100, opContains: 30, opMatches: 2000, opInSet: 20, opInList: 40,
	opExists: 20, opAll: 20, opExistsOne: 20, opInterpret: 5000,
}

// price estimates a node's cost with its arguments.
func (b *builder) price(n *node) int {
	c := 1
	if int(n.op) < len(prices) {
		c += prices[n.op]
	}
	for _, a := range n.args {
		if a > 0 {
			c += b.nodes[a-1].cost
		}
	}
	return c
}

// arg is how a key refers to a node: 0 means none.
func arg(id int32) int32 { return id + 1 }

// conjuncts lowers a whole condition, cut at its outermost &&.
func (b *builder) conjuncts(x celast.Expr, out []int32) []int32 {
	if x.Kind() == celast.CallKind && x.AsCall().FunctionName() == operators.LogicalAnd {
		for _, a := range x.AsCall().Args() {
			out = b.conjuncts(a, out)
		}
		return out
	}
	id, _ := b.boolean(x, scope{})
	if slices.Contains(out, id) {
		return out
	}
	return append(out, id)
}

// boolean lowers a bool expression. Outside of comprehensions it always
// succeeds, since what has no kernel is interpreted.
func (b *builder) boolean(x celast.Expr, sc scope) (int32, bool) {
	if id, ok := b.tryBoolean(x, sc); ok {
		return id, true
	}
	if sc.bound() {
		return 0, false
	}
	return b.interpret(x), true
}

// interpret makes a node that runs cel-go's evaluator on x.
func (b *builder) interpret(x celast.Expr) int32 {
	sub := celast.NewCheckedAST(celast.NewAST(x, b.ast.SourceInfo()), b.ast.TypeMap(), b.ast.ReferenceMap())
	text, err := cel.ExprToString(x, b.ast.SourceInfo())
	if err != nil { // cannot be shown, so cannot be shared
		text = strconv.Itoa(len(b.nodes)) + "/" + strconv.FormatInt(x.ID(), 10)
	}
	k := key{op: opInterpret, kind: kBool, cs: text}
	b.interpreted++
	if id, ok := b.index[k]; ok {
		return id
	}
	prog, err := b.env.cel.PlanProgram(sub, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(costLimit))
	if err != nil && b.err == nil {
		b.err = err
	}
	return b.intern(node{key: k, prog: prog})
}

func (b *builder) tryBoolean(x celast.Expr, sc scope) (int32, bool) {
	if v, ok := b.constant(x, sc); ok {
		if t, ok := v.(types.Bool); ok {
			return b.constNode(t, sc.dom)
		}
		return 0, false
	}
	switch x.Kind() {
	case celast.IdentKind:
		return b.value(x, sc)
	case celast.CallKind:
		return b.boolCall(x, sc)
	case celast.ComprehensionKind:
		return b.comprehension(x.AsComprehension(), sc)
	}
	return 0, false
}

var comparisons = map[string]int64{
	operators.Equals: cmpEqual, operators.NotEquals: cmpLess | cmpGreater,
	operators.Less: cmpLess, operators.LessEquals: cmpLess | cmpEqual,
	operators.Greater: cmpGreater, operators.GreaterEquals: cmpGreater | cmpEqual,
}

func (b *builder) boolCall(x celast.Expr, sc scope) (int32, bool) {
	call := x.AsCall()
	args, name := call.Args(), call.FunctionName()
	if cmp, ok := comparisons[name]; ok {
		return b.compare(cmp, args[0], args[1], sc)
	}
	switch name {
	case operators.LogicalAnd, operators.LogicalOr:
		o := opAnd
		if name == operators.LogicalOr {
			o = opOr
		}
		return b.fold(o, args, sc)
	case operators.LogicalNot:
		a, ok := b.boolean(args[0], sc)
		return b.unary(opNot, kBool, a, sc, ok)
	case operators.Conditional:
		return b.conditional(args, kBool, sc)
	case operators.In:
		return b.in(args[0], args[1], sc)
	case "startsWith", "endsWith", "contains", "matches":
		return b.textTest(name, call, sc)
	}
	return 0, false
}

// fold chains && or || over two or more arguments.
func (b *builder) fold(o op, args []celast.Expr, sc scope) (int32, bool) {
	ids := make([]int32, len(args))
	for i, a := range args {
		id, ok := b.boolean(a, sc)
		if !ok {
			return 0, false
		}
		ids[i] = id
	}
	return b.chain(o, ids, sc), true
}

func (b *builder) chain(o op, ids []int32, sc scope) int32 {
	acc := ids[0]
	for _, id := range ids[1:] {
		acc = b.intern(node{key: key{op: o, kind: kBool, dom: sc.dom, args: [3]int32{arg(acc), arg(id)}}})
	}
	return acc
}

func (b *builder) unary(o op, k kind, a int32, sc scope, ok bool) (int32, bool) {
	if !ok {
		return 0, false
	}
	return b.intern(node{key: key{op: o, kind: k, dom: sc.dom, args: [3]int32{arg(a)}}}), true
}

// conditional lowers c ? x : y; strings have no kernel for it.
func (b *builder) conditional(args []celast.Expr, k kind, sc scope) (int32, bool) {
	c, ok := b.boolean(args[0], sc)
	if !ok || k == kString || k >= kListString {
		return 0, false
	}
	branch := b.value
	if k == kBool {
		branch = b.boolean
	}
	t, ok1 := branch(args[1], sc)
	f, ok2 := branch(args[2], sc)
	if !ok1 || !ok2 {
		return 0, false
	}
	return b.intern(node{key: key{op: opSelect, kind: k, dom: sc.dom, args: [3]int32{arg(c), arg(t), arg(f)}}}), true
}

// compare lowers a comparison; a constant goes to the right.
func (b *builder) compare(cmp int64, l, r celast.Expr, sc scope) (int32, bool) {
	if _, ok := b.constant(l, sc); ok {
		l, r = r, l
		cmp = cmp&cmpEqual | cmp&cmpLess<<2 | cmp&cmpGreater>>2
	}
	a, ok := b.value(l, sc)
	if !ok || b.nodes[a].kind >= kListString {
		return 0, false
	}
	k := b.nodes[a].kind
	if v, ok := b.constant(r, sc); ok {
		n := node{key: key{op: opCompareC, kind: kBool, dom: sc.dom, args: [3]int32{arg(a)}, ci: cmp}}
		return b.withConst(n, k, v)
	}
	c, ok := b.value(r, sc)
	if !ok || b.nodes[c].kind != k {
		return 0, false
	}
	return b.intern(node{key: key{op: opCompare, kind: kBool, dom: sc.dom, args: [3]int32{arg(a), arg(c)}, ci: cmp}}), true
}

// withConst puts a constant of kind k into n and interns it.
func (b *builder) withConst(n node, k kind, v ref.Val) (int32, bool) {
	switch v := v.(type) {
	case types.Bool:
		if v {
			n.num = 1
		}
		n.cs = strconv.FormatInt(n.num, 10)
		return b.intern(n), k == kBool
	case types.Int:
		n.num, n.cs = int64(v), strconv.FormatInt(int64(v), 10)
		return b.intern(n), k == kInt
	case types.Uint:
		n.num, n.cs = int64(v), strconv.FormatUint(uint64(v), 10)
		return b.intern(n), k == kUint
	case types.Double:
		n.cf, n.cs = float64(v), strconv.FormatUint(math.Float64bits(float64(v)), 16)
		return b.intern(n), k == kDouble
	case types.String:
		n.cs = string(v)
		return b.intern(n), k == kString
	case types.Duration:
		n.num, n.cs = int64(v.Duration), strconv.FormatInt(int64(v.Duration), 10)
		return b.intern(n), k == kDuration
	case types.Timestamp:
		if v.Nanosecond()%int(time.Millisecond) != 0 {
			return 0, false
		}
		n.num = v.UnixMilli()
		n.cs = strconv.FormatInt(n.num, 10)
		return b.intern(n), k == kTime
	}
	return 0, false
}

// constNode makes a constant a node of its own.
func (b *builder) constNode(v ref.Val, dom int32) (int32, bool) {
	k := constKind(v)
	if k == kNone {
		return 0, false
	}
	return b.withConst(node{key: key{op: opConst, kind: k, dom: dom}}, k, v)
}

func constKind(v ref.Val) kind {
	switch v.(type) {
	case types.Bool:
		return kBool
	case types.Int:
		return kInt
	case types.Uint:
		return kUint
	case types.Double:
		return kDouble
	case types.Duration:
		return kDuration
	case types.Timestamp:
		return kTime
	}
	return kNone // strings are constants of their operations only
}

// constant evaluates an expression without variables.
func (b *builder) constant(x celast.Expr, sc scope) (ref.Val, bool) {
	switch x.Kind() {
	case celast.LiteralKind:
		return x.AsLiteral(), true
	case celast.IdentKind:
		v, ok := sc.consts[x.AsIdent()]
		return v, ok
	case celast.CallKind:
	default:
		return nil, false
	}
	if !closed(x) {
		return nil, false
	}
	sub := celast.NewCheckedAST(celast.NewAST(x, b.ast.SourceInfo()), b.ast.TypeMap(), b.ast.ReferenceMap())
	prog, err := b.env.cel.PlanProgram(sub, cel.CostLimit(costLimit))
	if err != nil {
		return nil, false
	}
	v, _, err := prog.Eval(cel.NoVars())
	return v, err == nil
}

// closed reports whether x is made of literals and calls only.
func closed(x celast.Expr) bool {
	switch x.Kind() {
	case celast.LiteralKind:
		return true
	case celast.ListKind:
		return !slices.ContainsFunc(x.AsList().Elements(), func(e celast.Expr) bool { return !closed(e) })
	case celast.CallKind:
		call := x.AsCall()
		if call.IsMemberFunction() && !closed(call.Target()) {
			return false
		}
		return !slices.ContainsFunc(call.Args(), func(e celast.Expr) bool { return !closed(e) })
	}
	return false
}
