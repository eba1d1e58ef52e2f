package decode

import (
	"fmt"
	"slices"

	"github.com/sluicehq/sluice/pipeline"
)

// layout gives slots to path expressions and returns what the tree is to
// capture. Slot k belongs to scalar column k; the others follow.
func (p *plan) layout(exprs map[string]string) ([]target, error) {
	var targets []target
	p.slots = len(p.scalars)
	fail := func(name string, err error) error {
		return &pipeline.FieldError{Path: "columns." + name + ".path", Err: err}
	}
	for i := range p.scalars {
		c := &p.scalars[i]
		if f := p.schema.FieldIndices(c.name); len(f) == 1 {
			c.field = f[0]
		}
		if exprs[c.name] == "" {
			continue
		}
		ts, err := p.scalarTargets(exprs[c.name], i)
		if err != nil {
			return nil, fail(c.name, err)
		}
		targets = append(targets, ts...)
	}
	for i := range p.lists {
		c := &p.lists[i]
		c.field = p.schema.FieldIndices(c.name)[0]
		c.all = slices.Contains(p.preset.all, c.name)
		if exprs[c.name] == "" {
			continue
		}
		ts, err := p.listTargets(exprs[c.name], &c.lists)
		if err != nil {
			return nil, fail(c.name, err)
		}
		targets = append(targets, ts...)
	}
	for _, a := range p.preset.aux {
		var ts []target
		var err error
		if a.list {
			var ls []int
			if ts, err = p.listTargets(a.path, &ls); err == nil {
				p.aux = append(p.aux, ls[0])
			}
			for i := range ts { // the alternatives exclude each other
				ts[i].list = ls[0]
			}
		} else {
			p.aux = append(p.aux, p.slots)
			p.slots++
			ts, err = p.scalarTargets(a.path, p.slots-1)
		}
		if err != nil {
			return nil, err
		}
		targets = append(targets, ts...)
	}
	return p.share(targets), nil
}

// scalarTargets returns the targets of a scalar whose first alternative goes
// to slot.
func (p *plan) scalarTargets(expr string, slot int) ([]target, error) {
	alts, err := parsePaths(expr)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, alt := range alts {
		for _, one := range alt {
			if one.hasWildcard() {
				return nil, fmt.Errorf("path %s selects many values: use an index, or type strings", one)
			}
			s := slot
			if len(out) > 0 {
				s = p.slots
				p.slots++
				p.fallbacks = append(p.fallbacks, fallback{slot, s})
			}
			out = append(out, target{path: one, slot: s})
		}
	}
	return out, nil
}

// listTargets returns the targets of a list, and adds one list slot for each
// alternative to slots. A path without [*] means the elements of its array.
func (p *plan) listTargets(expr string, slots *[]int) ([]target, error) {
	alts, err := parsePaths(expr)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, alt := range alts {
		for _, one := range alt {
			if !one.hasWildcard() {
				one.steps = append(slices.Clone(one.steps), step{array: true, index: wildcard})
			}
			out = append(out, target{path: one, slot: -1, list: p.listSlots})
		}
		*slots = append(*slots, p.listSlots)
		p.listSlots++
	}
	return out, nil
}

// share gives scalars of one path one slot: the tree takes a value once, and
// the others copy it as a fallback.
func (p *plan) share(targets []target) []target {
	first := map[string]int{}
	var out []target
	var copies []fallback
	for _, t := range targets {
		if t.slot >= 0 {
			key := t.path.String()
			if s, ok := first[key]; ok {
				copies = append(copies, fallback{t.slot, s})
				continue
			}
			first[key] = t.slot
		}
		out = append(out, t)
	}
	// Copies go first: a fallback may read what they fill.
	p.fallbacks = append(copies, p.fallbacks...)
	return out
}
