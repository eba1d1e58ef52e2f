package rule

import (
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// activation gives cel-go's evaluator the values of one row, read from the
// columns when they are asked for.
type activation struct {
	env   *Env
	cols  []arrow.Array
	row   int
	lists map[string]ref.Val
}

func (a *activation) init(e *Env, m *machine) {
	a.env, a.cols = e, m.cols
	a.lists = make(map[string]ref.Val, len(e.lists))
	for name, l := range e.lists {
		a.lists["list."+name] = &termList{Lister: types.NewStringList(types.DefaultTypeAdapter, nil), list: l, folder: &folder{}}
	}
}

// Parent implements cel.Activation.
func (a *activation) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. A null is an error, as any other
// value that cannot be read.
func (a *activation) ResolveName(name string) (any, bool) {
	name = strings.TrimPrefix(name, ".")
	if l, ok := a.lists[name]; ok {
		return l, true
	}
	bare, asksHas := strings.CutPrefix(name, hasPrefix)
	i, ok := a.env.names[bare]
	if !ok {
		return nil, false
	}
	arr := a.cols[i]
	null := arr.IsNull(a.row)
	switch {
	case asksHas:
		return types.Bool(!null && !empty(arr, a.row)), true
	case null:
		return types.NewErr("%s is null", bare), true
	}
	return value(arr, a.row), true
}

// empty reports whether a string or list has no bytes or elements.
func empty(a arrow.Array, row int) bool {
	switch a := a.(type) {
	case *array.String:
		return a.ValueLen(row) == 0
	case *array.List:
		from, to := a.ValueOffsets(row)
		return from == to
	}
	return false
}

// value returns a value that is not null as CEL sees it.
func value(a arrow.Array, i int) ref.Val {
	switch a := a.(type) {
	case *array.Boolean:
		return types.Bool(a.Value(i))
	case *array.Int8:
		return types.Int(a.Value(i))
	case *array.Int16:
		return types.Int(a.Value(i))
	case *array.Int32:
		return types.Int(a.Value(i))
	case *array.Int64:
		return types.Int(a.Value(i))
	case *array.Uint8:
		return types.Int(a.Value(i))
	case *array.Uint16:
		return types.Int(a.Value(i))
	case *array.Uint32:
		return types.Int(a.Value(i))
	case *array.Uint64:
		return types.Uint(a.Value(i))
	case *array.Float32:
		return types.Double(a.Value(i))
	case *array.Float64:
		return types.Double(a.Value(i))
	case *array.String:
		return types.String(a.Value(i))
	case *array.Timestamp:
		return types.Timestamp{Time: time.UnixMilli(int64(a.Value(i))).UTC()}
	case *array.List:
		from, to := a.ValueOffsets(i)
		vals := make([]ref.Val, 0, to-from)
		for j := from; j < to; j++ {
			vals = append(vals, value(a.ListValues(), int(j)))
		}
		return types.NewRefValList(types.DefaultTypeAdapter, vals)
	}
	return types.NewErr("type %s has no equal in CEL", a.DataType())
}

// termList is a list.<name> for cel-go's evaluator: only `in` is asked of it.
type termList struct {
	traits.Lister
	list   *List
	folder *folder
}

// Contains implements traits.Container.
func (t *termList) Contains(v ref.Val) ref.Val {
	s, ok := v.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	_, ok = t.list.terms[string(t.folder.fold([]byte(s)))]
	return types.Bool(ok)
}
