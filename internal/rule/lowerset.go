package rule

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// in lowers membership in a list literal, a term list or a list column.
func (b *builder) in(x, set celast.Expr, sc scope) (int32, bool) {
	if name, ok := listName(set); ok && b.env.lists[name] != nil {
		a, ok := b.value(x, sc)
		if !ok || b.nodes[a].kind != kString {
			return 0, false
		}
		n := node{key: key{op: opInList, kind: kBool, dom: sc.dom, args: [3]int32{arg(a)}, cs: name}, list: b.env.lists[name]}
		return b.intern(n), true
	}
	if set.Kind() == celast.ListKind {
		return b.inLiteral(x, set.AsList().Elements(), sc)
	}
	// x in column: some element equals it
	col, isCol := b.column(set)
	if !isCol || sc.elem != "" {
		return 0, false
	}
	inner := scope{elem: "@", dom: int32(1 + col), col: col}
	e, ok := b.element(inner)
	if !ok {
		return 0, false
	}
	v, ok := b.constant(x, sc)
	if !ok {
		return b.inColumn(x, col, e, inner)
	}
	body, ok := b.withConst(node{key: key{op: opCompareC, kind: kBool, dom: inner.dom, args: [3]int32{arg(e)}, ci: cmpEqual}}, b.nodes[e].kind, v)
	if !ok {
		return 0, false
	}
	return b.quantifier(opExists, col, body), true
}

// inColumn lowers column in list column. The element comes first in the
// comparison, and a null x makes an error at each element: of an empty list CEL
// makes one too, which an exists would not, so only columns without nulls do.
func (b *builder) inColumn(x celast.Expr, col int, elem int32, inner scope) (int32, bool) {
	i, ok := b.column(x)
	if !ok || b.env.columns[i].nullable || b.env.columns[i].kind != b.nodes[elem].kind {
		return 0, false
	}
	o, ok := b.variable(x.AsIdent(), inner)
	if !ok {
		return 0, false
	}
	body := b.intern(node{key: key{op: opCompare, kind: kBool, dom: inner.dom, args: [3]int32{arg(elem), arg(o)}, ci: cmpEqual}})
	return b.quantifier(opExists, col, body), true
}

// inLiteral lowers x in ["a", "b"] for strings and ints.
func (b *builder) inLiteral(x celast.Expr, elems []celast.Expr, sc scope) (int32, bool) {
	a, ok := b.value(x, sc)
	if !ok || len(elems) == 0 {
		return 0, false
	}
	n := node{key: key{op: opInSet, kind: kBool, dom: sc.dom, args: [3]int32{arg(a)}}}
	var spelled []string
	switch b.nodes[a].kind {
	case kString:
		n.set = map[string]struct{}{}
	case kInt, kUint:
		n.ints = map[int64]struct{}{}
	default:
		return 0, false
	}
	for _, e := range elems {
		v, ok := b.constant(e, sc)
		if !ok {
			return 0, false
		}
		switch v := v.(type) {
		case types.String:
			n.set[string(v)] = struct{}{}
			spelled = append(spelled, strconv.Quote(string(v)))
		case types.Int:
			n.ints[int64(v)] = struct{}{}
			spelled = append(spelled, strconv.FormatInt(int64(v), 10))
		case types.Uint:
			n.ints[int64(v)] = struct{}{}
			spelled = append(spelled, strconv.FormatUint(uint64(v), 10))
		default:
			return 0, false
		}
	}
	slices.Sort(spelled)
	n.cs = strings.Join(slices.Compact(spelled), ",")
	return b.intern(n), true
}

func (b *builder) textTest(name string, call celast.CallExpr, sc scope) (int32, bool) {
	target, args := call.Target(), call.Args()
	if !call.IsMemberFunction() { // matches(text, pattern)
		if len(args) != 2 {
			return 0, false
		}
		target, args = args[0], args[1:]
	}
	v, ok := b.constant(args[0], sc)
	s, isString := v.(types.String)
	if !ok || !isString {
		return 0, false
	}
	a, ok := b.value(target, sc)
	if !ok || b.nodes[a].kind != kString {
		return 0, false
	}
	n := node{key: key{kind: kBool, dom: sc.dom, args: [3]int32{arg(a)}, cs: string(s)}}
	switch name {
	case "startsWith":
		n.op = opPrefix
	case "endsWith":
		n.op = opSuffix
	case "contains":
		n.op = opContains
	case "matches":
		n.op = opMatches
		if _, known := b.index[n.key]; !known {
			re, err := regexp.Compile(n.cs)
			if err != nil {
				return 0, false
			}
			n.re = re
		}
	}
	return b.intern(n), true
}

// arrowTypeOf tells how values of t lie in memory.
func arrowTypeOf(t arrow.DataType) arrowType {
	switch t.ID() {
	case arrow.INT8:
		return atInt8
	case arrow.INT16:
		return atInt16
	case arrow.INT32:
		return atInt32
	case arrow.INT64, arrow.UINT64, arrow.TIMESTAMP:
		return atWord
	case arrow.UINT8:
		return atUint8
	case arrow.UINT16:
		return atUint16
	case arrow.UINT32:
		return atUint32
	case arrow.FLOAT32:
		return atFloat32
	case arrow.FLOAT64:
		return atFloat64
	case arrow.BOOL:
		return atBool
	case arrow.STRING:
		return atString
	case arrow.LIST:
		return atList
	}
	return atNone
}
