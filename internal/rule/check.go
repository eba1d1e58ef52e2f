package rule

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	celast "github.com/google/cel-go/common/ast"

	"github.com/sluicehq/sluice/pipeline"
)

// condition is a type-checked condition.
type condition struct {
	ast   *celast.AST
	cols  []int    // columns that it looks at, as indices into Env.columns, in order of appearance
	names []string // what the condition calls each
	lists []string // lists that it refers to, as match.x, weight.x or list.x, sorted
	sets  []*List  // those that it refers to as list.x
}

// check parses and type-checks one condition.
func (e *Env) check(r *Rule) (*condition, Errors) {
	src := common.NewStringSource(r.When, "when")
	if n := len([]rune(r.When)); n > MaxConditionRunes {
		return nil, Errors{{r.Pos, r.ID, fmt.Sprintf("the condition has %d characters; at most %d are allowed", n, MaxConditionRunes)}}
	}
	parsed, iss := e.cel.ParseSource(src)
	if iss.Err() != nil {
		return nil, e.issues(r, iss)
	}
	// A dotted name has the place of its last dot; back says how far its
	// beginning is before that.
	place := func(a *celast.AST, id int64, back int) Pos {
		loc := a.SourceInfo().GetStartLocation(id)
		return r.place(loc.Line(), loc.Column()-back)
	}
	var errs Errors
	for _, p := range e.checkNames(parsed.NativeRep().Expr()) {
		errs = append(errs, &Error{place(parsed.NativeRep(), p.id, 0), r.ID, p.msg})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	checked, iss := e.cel.Check(parsed)
	if iss.Err() != nil {
		return nil, e.issues(r, iss)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, Errors{{r.place(1, 0), r.ID, fmt.Sprintf("the condition is of type %s; it must be bool: compare it with something", t)}}
	}
	c := &condition{ast: checked.NativeRep()}
	w := condWalker{env: e, cond: c, report: func(id int64, back int, msg string) {
		errs = append(errs, &Error{place(c.ast, id, back), r.ID, msg})
	}}
	w.walk(c.ast.Expr())
	slices.Sort(c.lists)
	c.lists = slices.Compact(c.lists)
	return c, errs
}

// place maps a place in the condition to the rule file.
func (r *Rule) place(line, col int) Pos {
	if r.when.src == "" { // a rule that was not read from a file
		return Pos{File: r.Pos.File, Line: max(line, 1), Col: max(col, 0) + 1}
	}
	return r.when.at(max(line, 1), max(col, 0))
}

// issues turns cel-go's errors into ours.
func (e *Env) issues(r *Rule, iss *cel.Issues) (errs Errors) {
	for _, x := range iss.Errors() {
		msg := strings.TrimPrefix(x.Message, "Syntax error: ")
		if msg != x.Message {
			msg = "syntax: " + msg
			if strings.Contains(msg, "at: '=") {
				msg += "; write == to compare"
			}
		}
		msg = strings.ReplaceAll(msg, " (in container '')", "")
		errs = append(errs, &Error{r.place(x.Location.Line(), x.Location.Column()), r.ID, clip(msg, 500)})
	}
	return errs
}

// condWalker collects what a checked condition looks at and refuses what would
// cost without bound.
type condWalker struct {
	env    *Env
	cond   *condition
	report func(id int64, back int, msg string)
}

func (w *condWalker) fail(id int64, msg string) { w.report(id, 0, msg) }

// failName is fail for a name, which may have dots.
func (w *condWalker) failName(x celast.Expr, msg string) {
	w.report(x.ID(), max(strings.LastIndexByte(x.AsIdent(), '.'), 0), msg)
}

func (w *condWalker) walk(x celast.Expr) {
	switch x.Kind() {
	case celast.IdentKind:
		w.ident(x)
	case celast.SelectKind:
		w.walk(x.AsSelect().Operand())
	case celast.CallKind:
		w.call(x)
	case celast.ListKind:
		for _, a := range x.AsList().Elements() {
			w.walk(a)
		}
	case celast.MapKind:
		for _, a := range x.AsMap().Entries() {
			w.walk(a.AsMapEntry().Key())
			w.walk(a.AsMapEntry().Value())
		}
	case celast.ComprehensionKind:
		f := x.AsComprehension()
		for _, a := range []celast.Expr{f.IterRange(), f.AccuInit(), f.LoopCondition(), f.LoopStep(), f.Result()} {
			w.walk(a)
		}
	}
}

func (w *condWalker) ident(x celast.Expr) {
	name := strings.TrimPrefix(x.AsIdent(), ".")
	if list, ok := strings.CutPrefix(name, "list."); ok && w.env.lists[list] != nil {
		w.failName(x, fmt.Sprintf("%s can only stand to the right of `in`; to look for its terms in text put it into a match step and write match.%s > 0", name, list))
		return
	}
	shown := strings.TrimPrefix(name, hasPrefix)
	i, ok := w.env.names[shown]
	if !ok {
		return // a comprehension's variable or a type
	}
	if !slices.Contains(w.cond.cols, i) {
		w.cond.cols = append(w.cond.cols, i)
		w.cond.names = append(w.cond.names, shown)
	}
	for _, prefix := range []string{pipeline.ColMatchPrefix, pipeline.ColWeightPrefix} {
		if list, ok := strings.CutPrefix(w.env.columns[i].name, prefix); ok {
			w.cond.lists = append(w.cond.lists, list)
		}
	}
}

func (w *condWalker) call(x celast.Expr) {
	call := x.AsCall()
	if call.IsMemberFunction() {
		w.walk(call.Target())
	}
	args := call.Args()
	if call.FunctionName() == "matches" {
		w.pattern(args[len(args)-1])
	}
	for i, a := range args {
		if list, ok := listName(a); ok && w.env.lists[list] != nil && call.FunctionName() == "@in" && i == 1 {
			if w.env.lists[list].noFile {
				w.failName(a, fmt.Sprintf("the terms of list %q stand in the config of the match step; put them into a file to use them in a condition", list))
			}
			w.cond.lists = append(w.cond.lists, list)
			w.cond.sets = append(w.cond.sets, w.env.lists[list])
			continue
		}
		w.walk(a)
	}
}

// pattern checks the pattern of matches().
func (w *condWalker) pattern(x celast.Expr) {
	if x.Kind() != celast.LiteralKind {
		w.fail(x.ID(), "the pattern of matches() must be a constant, so that it is compiled once")
		return
	}
	text, _ := x.AsLiteral().Value().(string)
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		w.fail(x.ID(), fmt.Sprintf("the pattern is not valid RE2: %v", err))
		return
	}
	if prog, err := syntax.Compile(re.Simplify()); err != nil || len(prog.Inst) > maxRegexProgram {
		w.fail(x.ID(), fmt.Sprintf("the pattern is too large when it is compiled (more than %d instructions): make its repetitions shorter", maxRegexProgram))
	}
}

// listName returns x of the variable list.x.
func listName(e celast.Expr) (string, bool) {
	if e.Kind() != celast.IdentKind {
		return "", false
	}
	return strings.CutPrefix(strings.TrimPrefix(e.AsIdent(), "."), "list.")
}
