package rule

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// Clause is a part of a condition between its outermost &&, as it came out on
// one row.
type Clause struct {
	Text    string // the clause, printed by cel-go: spaces may differ from the file's
	Pos     Pos    // of its operator or name in the rule file
	Verdict Verdict
	Values  []string // name=value of the columns that it looks at
}

// maxExplained bounds a printed value of a Clause, in bytes.
const maxExplained = 256

// Explain says how rule i came out on one row, clause by clause. It is for
// people: it compiles the condition anew, and is slow.
func (p *Program) Explain(rec arrow.Record, row, i int) ([]Clause, error) {
	if row < 0 || int64(row) >= rec.NumRows() {
		return nil, fmt.Errorf("row %d: the batch has %d", row, rec.NumRows())
	}
	one := rec.NewSlice(int64(row), int64(row)+1)
	defer one.Release()
	r := p.rules[i].rule
	c, errs := p.env.check(r)
	if err := errs.sorted(); err != nil {
		return nil, err
	}
	b := newBuilder(p.env)
	b.ast = c.ast
	var ids []int32
	var parts []celast.Expr
	for _, x := range clauses(c.ast.Expr(), nil) {
		id, _ := b.boolean(x, scope{})
		ids, parts = append(ids, id), append(parts, x)
	}
	if b.err != nil {
		return nil, b.err
	}
	m := newMachine(p.env, b.nodes)
	if err := m.begin(one); err != nil {
		return nil, err
	}
	defer m.end()
	out := make([]Clause, len(ids))
	for k, id := range ids {
		v := m.eval(id, bitset{1})
		out[k] = p.clause(r, c, parts[k], one)
		switch {
		case v.t.has(0):
			out[k].Verdict = True
		case v.err.has(0):
			out[k].Verdict = Failed
		}
	}
	return out, nil
}

// clauses cuts an expression at its outermost &&.
func clauses(x celast.Expr, out []celast.Expr) []celast.Expr {
	if x.Kind() == celast.CallKind && x.AsCall().FunctionName() == operators.LogicalAnd {
		for _, a := range x.AsCall().Args() {
			out = clauses(a, out)
		}
		return out
	}
	return append(out, x)
}

// clause prints x and the values that it looks at.
func (p *Program) clause(r *Rule, c *condition, x celast.Expr, rec arrow.Record) (out Clause) {
	loc := c.ast.SourceInfo().GetStartLocation(x.ID())
	out.Pos = r.place(loc.Line(), loc.Column())
	out.Text = "?"
	if text, err := cel.ExprToString(x, c.ast.SourceInfo()); err == nil {
		out.Text = text
	}
	part := &condition{}
	w := condWalker{env: p.env, cond: part, report: func(int64, int, string) {}}
	w.walk(x)
	for k, col := range part.cols {
		v := AppendValue([]byte(part.names[k]+"="), rec.Column(p.env.columns[col].index), 0, maxExplained)
		out.Values = append(out.Values, string(v))
	}
	return out
}
