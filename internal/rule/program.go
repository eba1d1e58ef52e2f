package rule

import (
	"cmp"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
)

// Program is a set of rules compiled for a schema. It is immutable; each
// worker makes an Evaluator of its own.
type Program struct {
	env   *Env
	rules []compiled // those that are not off, sorted by id
	nodes []node
	index *index
	stats Stats
}

// compiled is a rule ready to run.
type compiled struct {
	rule      *Rule
	conjuncts []int32 // all must be true; cheapest first, then the most shared
	cond      *condition
}

// Stats counts what Compile made.
type Stats struct {
	Live, Shadow, Off int
	Lowered           int // rules, not off, that kernels evaluate wholly
	Interpreted       int // rules with a sub-expression that cel-go evaluates
	Indexed           int // rules that are looked at only when something they require fired
	Nodes             int // distinct operations of all rules
}

// Compile checks the conditions of all rules, those that are off too, and
// compiles those that are not. The error is of type [Errors] and holds every
// mistake of every rule.
func (e *Env) Compile(set *Set) (*Program, error) {
	p := &Program{env: e}
	b := newBuilder(e)
	var errs Errors
	checked := e.checkAll(set.Rules)
	for i, r := range set.Rules {
		c, bad := checked[i].cond, checked[i].errs
		if len(bad) > 0 {
			errs = append(errs, bad...)
			continue
		}
		switch r.Mode {
		case Off:
			p.stats.Off++
			continue
		case Shadow:
			p.stats.Shadow++
		default:
			p.stats.Live++
		}
		for _, l := range c.sets {
			if err := l.load(); err != nil {
				return nil, fmt.Errorf("%s: rule %q: %w", r.Pos, r.ID, err)
			}
		}
		b.ast, b.interpreted = c.ast, 0
		ids := b.conjuncts(c.ast.Expr(), nil)
		if b.err != nil {
			return nil, fmt.Errorf("%s: rule %q: %w", r.Pos, r.ID, b.err)
		}
		if b.interpreted > 0 {
			p.stats.Interpreted++
		} else {
			p.stats.Lowered++
		}
		for _, id := range ids {
			b.nodes[id].users++
		}
		c.ast = nil // not needed any more; it is large
		p.rules = append(p.rules, compiled{r, ids, c})
	}
	if err := errs.sorted(); err != nil {
		return nil, err
	}
	for i := range p.rules {
		slices.SortFunc(p.rules[i].conjuncts, func(x, y int32) int {
			return cmp.Or(cmp.Compare(b.nodes[x].cost, b.nodes[y].cost), cmp.Compare(b.nodes[y].users, b.nodes[x].users), cmp.Compare(x, y))
		})
	}
	p.index = newIndex(b, p.rules)
	p.nodes = b.nodes
	p.stats.Nodes = len(p.nodes)
	p.stats.Indexed = p.index.indexed
	return p, nil
}

// checked is what came of one rule's condition.
type checked struct {
	cond *condition
	errs Errors
}

// checkAll checks conditions on all cores: parsing is most of the time that
// many rules take to load.
func (e *Env) checkAll(rules []*Rule) []checked {
	out := make([]checked, len(rules))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(rules)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rules)); i = next.Add(1) - 1 {
				out[i].cond, out[i].errs = e.check(rules[i])
			}
		})
	}
	wg.Wait()
	return out
}

// Stats returns the counts.
func (p *Program) Stats() Stats { return p.stats }

// Rules returns the rules that are evaluated, in the order in which Fired
// numbers them: by id. The caller must not change the slice.
func (p *Program) Rules() []*Rule {
	out := make([]*Rule, len(p.rules))
	for i := range p.rules {
		out[i] = p.rules[i].rule
	}
	return out
}

// Lists returns the term lists that rule i refers to, as match.x, weight.x or list.x,
// sorted.
func (p *Program) Lists(i int) []string { return p.rules[i].cond.lists }

// Fired is a rule that matched a row.
type Fired struct {
	Row  int
	Rule int // index into Program.Rules
}

// Evaluator evaluates a program over batches. It is for one goroutine; it keeps
// scratch memory from batch to batch and nothing else.
type Evaluator struct {
	prog   *Program
	m      *machine
	scan   scanner
	sel    bitset
	levels []bitset // see group
	one    group    // of a single rule
	fired  []uint64 // row<<32 | rule
	out    []Fired
}

// NewEvaluator returns an evaluator with scratch of its own.
func (p *Program) NewEvaluator() *Evaluator {
	e := &Evaluator{prog: p, m: newMachine(p.env, p.nodes), one: group{rules: make([]int32, 1), shared: make([]int32, 1)}}
	e.scan.init(p.index, e.m)
	return e
}

// Match returns which rules match which rows of rec, by row and then by rule.
// The record must have the schema that the environment was made of. The result
// is valid until the next call.
func (e *Evaluator) Match(rec arrow.Record) ([]Fired, error) {
	if err := e.m.begin(rec); err != nil {
		return nil, err
	}
	defer e.m.end()
	e.fired, e.out = e.fired[:0], e.out[:0]
	if e.m.rows == 0 {
		return nil, nil
	}
	e.scan.run()
	for _, id := range e.scan.found {
		e.group(&e.prog.index.atoms[id].only, e.scan.atomSet[id])
	}
	e.group(&e.prog.index.always, e.scan.all)
	for _, r := range e.scan.touched {
		e.one.rules[0] = r
		e.group(&e.one, e.scan.ruleSet[r])
	}
	slices.Sort(e.fired)
	for _, f := range e.fired {
		e.out = append(e.out, Fired{int(f >> 32), int(uint32(f))})
	}
	return e.out, nil
}

// group evaluates rules on candidate rows: each conjunct only where those before
// it are true. Neighbours in a group share leading conjuncts, which are not
// looked at again: levels[k] is where the first k conjuncts of the rule at hand
// are true.
func (e *Evaluator) group(g *group, candidates bitset) {
	if len(g.rules) == 0 {
		return
	}
	e.level(0, len(candidates))
	copy(e.levels[0], candidates)
	level, dead := 0, -1 // dead: the level that is empty, if one is
	for k, r := range g.rules {
		shared := int(g.shared[k])
		if dead >= 0 && shared >= dead {
			continue
		}
		level, dead = min(level, shared), -1
		conjuncts := e.prog.rules[r].conjuncts
		for ; level < len(conjuncts) && dead < 0; level++ {
			from, to := e.levels[level], e.level(level+1, len(candidates))
			v := e.m.eval(conjuncts[level], from)
			var any uint64
			for w, f := range from {
				to[w] = f & v.t[w]
				any |= to[w]
			}
			if any == 0 {
				dead = level + 1
			}
		}
		if dead < 0 {
			e.fire(r, e.levels[level])
		}
	}
}

// level returns the bitset of a level, with room for n words.
func (e *Evaluator) level(k, n int) bitset {
	for len(e.levels) <= k {
		e.levels = append(e.levels, nil)
	}
	e.levels[k] = resize(e.levels[k], n)
	return e.levels[k]
}

func (e *Evaluator) fire(rule int32, rows bitset) {
	for w, s := range rows {
		for ; s != 0; s &= s - 1 {
			row := w<<6 + bits.TrailingZeros64(s)
			e.fired = append(e.fired, uint64(row)<<32|uint64(uint32(rule)))
		}
	}
}

// Verdict is the value of a condition.
type Verdict uint8

// The three values that a condition can have.
const (
	False Verdict = iota
	True
	Failed // an error: a null was read, a division by zero, an overflow
)

// String returns false, true or error.
func (v Verdict) String() string { return [...]string{"false", "true", "error"}[v] }

// Verdict returns the value of rule i's condition on each row of rec, in out if
// it has room. Unlike Match it tells errors from false, and looks at all rows.
func (e *Evaluator) Verdict(rec arrow.Record, i int, out []Verdict) ([]Verdict, error) {
	if err := e.m.begin(rec); err != nil {
		return nil, err
	}
	defer e.m.end()
	out = slices.Grow(out[:0], e.m.rows)[:e.m.rows]
	for row := range out {
		out[row] = True
	}
	e.sel = resize(e.sel, words(e.m.rows))
	e.sel.fill(e.m.rows)
	for _, id := range e.prog.rules[i].conjuncts {
		v := e.m.eval(id, e.sel)
		for row := range out {
			switch {
			case v.t.has(row) || out[row] == False:
			case v.err.has(row):
				out[row] = Failed
			default:
				out[row] = False
			}
		}
	}
	return out, nil
}
