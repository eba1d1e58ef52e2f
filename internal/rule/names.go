package rule

import (
	"fmt"
	"slices"
	"strings"

	celast "github.com/google/cel-go/common/ast"

	"github.com/google/cel-go/cel"

	"github.com/sluicehq/sluice/pipeline"
)

// expandHas turns has(x) into a hidden variable that says whether column x is
// there: not null, and not empty for strings and lists, since a decoder leaves
// those empty when the input lacks them. CEL's own has() takes fields of
// messages only; ours takes columns, by any of their names.
func (e *Env) expandHas(eh cel.MacroExprFactory, _ celast.Expr, args []celast.Expr) (celast.Expr, *cel.Error) {
	name, ok := path(args[0])
	if !ok {
		return nil, eh.NewError(args[0].ID(), "has() takes the name of a column, as in has(author.followers)")
	}
	i, ok := e.names[name]
	if !ok {
		root := args[0]
		for root.Kind() == celast.SelectKind {
			root = root.AsSelect().Operand()
		}
		return nil, eh.NewError(root.ID(), e.unknown(name))
	}
	return eh.NewIdent(hasPrefix + e.columns[i].name), nil
}

// path returns a.b.c for a chain of selections that begins with a name.
func path(x celast.Expr) (string, bool) {
	switch x.Kind() {
	case celast.IdentKind:
		return strings.TrimPrefix(x.AsIdent(), "."), true
	case celast.SelectKind:
		if p, ok := path(x.AsSelect().Operand()); ok && !x.AsSelect().IsTestOnly() {
			return p + "." + x.AsSelect().FieldName(), true
		}
	}
	return "", false
}

// unknown says that a condition names something that is not there, and what
// may have been meant.
func (e *Env) unknown(name string) string {
	lists := func(prefix string) (out []string) {
		for _, k := range e.known {
			if strings.HasPrefix(k, prefix) {
				out = append(out, k)
			}
		}
		return out
	}
	for _, prefix := range []string{pipeline.ColMatchPrefix, pipeline.ColWeightPrefix, "list."} {
		if !strings.HasPrefix(name, prefix) && name+"." != prefix {
			continue
		}
		have := lists(prefix)
		if len(have) == 0 {
			return fmt.Sprintf("%q: no term list reaches this step: put a match step with the list before it", name)
		}
		return fmt.Sprintf("%q: the match steps before this one have no such list%s (%s)", name, didYouMean(name, have), shorten(have))
	}
	column := name
	if rest, ok := strings.CutPrefix(name, "author."); ok {
		column = "author_" + rest
	}
	if i := e.schema.FieldIndices(column); len(i) > 0 {
		return fmt.Sprintf("column %q is of type %s, which conditions cannot use", column, e.schema.Field(i[0]).Type)
	}
	msg := (&pipeline.MissingColumnError{Name: column}).Error()
	if column != name {
		msg = fmt.Sprintf("%q: %s", name, msg)
	}
	hint := didYouMean(name, e.known)
	if hint == "" && !strings.Contains(msg, ": put a ") {
		hint = "; there are " + shorten(e.known)
	}
	return msg + hint
}

// shorten lists names, the first ones of many.
func shorten(names []string) string {
	const most = 40
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// typeNames can stand in a condition as values: type(x) == int.
var typeNames = []string{
	"bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint",
	"google.protobuf.Timestamp", "google.protobuf.Duration",
}

// nameProblem is a mistake at a node of a parsed condition.
type nameProblem struct {
	id  int64
	msg string
}

// checkNames reports names that are no column, list or variable, with better
// advice than the type checker can give, and variables that hide a column.
func (e *Env) checkNames(x celast.Expr) []nameProblem {
	c := nameChecker{env: e}
	c.walk(x, nil)
	return c.found
}

type nameChecker struct {
	env   *Env
	found []nameProblem
}

func (c *nameChecker) walk(x celast.Expr, bound []string) {
	if p, ok := path(x); ok {
		if msg := c.resolve(p, bound); msg != "" {
			for x.Kind() == celast.SelectKind {
				x = x.AsSelect().Operand()
			}
			c.found = append(c.found, nameProblem{x.ID(), msg})
		}
		return
	}
	switch x.Kind() {
	case celast.SelectKind:
		c.walk(x.AsSelect().Operand(), bound)
	case celast.CallKind:
		call := x.AsCall()
		if call.IsMemberFunction() && !c.namespaced(call) {
			c.walk(call.Target(), bound)
		}
		for _, a := range call.Args() {
			c.walk(a, bound)
		}
	case celast.ListKind:
		for _, a := range x.AsList().Elements() {
			c.walk(a, bound)
		}
	case celast.MapKind:
		for _, a := range x.AsMap().Entries() {
			c.walk(a.AsMapEntry().Key(), bound)
			c.walk(a.AsMapEntry().Value(), bound)
		}
	case celast.ComprehensionKind:
		f := x.AsComprehension()
		c.walk(f.IterRange(), bound)
		c.walk(f.AccuInit(), bound)
		if _, hides := c.env.names[f.IterVar()]; hides {
			c.found = append(c.found, nameProblem{x.ID(), fmt.Sprintf("the variable %q hides the column of that name; call it something else", f.IterVar())})
		}
		inner := append(slices.Clip(bound), f.IterVar(), f.AccuVar())
		c.walk(f.LoopCondition(), inner)
		c.walk(f.LoopStep(), inner)
		c.walk(f.Result(), inner)
	}
}

// namespaced reports whether a member call is a function such as
// strings.quote, whose "target" is no value.
func (c *nameChecker) namespaced(call celast.CallExpr) bool {
	p, ok := path(call.Target())
	return ok && c.env.cel.HasFunction(p+"."+call.FunctionName())
}

// resolve returns what is wrong with a dotted name; "" if a variable is a
// prefix of it, for the type checker then says what the rest is.
func (c *nameChecker) resolve(p string, bound []string) string {
	root, _, _ := strings.Cut(p, ".")
	if slices.Contains(bound, root) || strings.HasPrefix(p, hasPrefix) || slices.Contains(typeNames, p) {
		return ""
	}
	for prefix := p; prefix != ""; {
		if _, ok := c.env.names[prefix]; ok {
			return ""
		}
		if name, ok := strings.CutPrefix(prefix, "list."); ok && c.env.lists[name] != nil {
			return ""
		}
		prefix = prefix[:max(strings.LastIndexByte(prefix, '.'), 0)]
	}
	return c.env.unknown(p)
}
