package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/maps"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Two characters that no key holds. The first separates levels in koanf's
// paths, so that keys may hold dots. The second is a key of its own in each
// mapping that came from a file, beside the mapping's keys, and refers to the
// mapping's node: so a mapping's place goes through the merge as its values do.
const (
	delim  = "\x1f"
	marker = "\x00"
)

// layers merges the sources of a config. koanf holds nested maps whose leaves
// are indexes into nodes: it decides which layer's value stands, and the node
// knows where that value was written.
type layers struct {
	ko     *koanf.Koanf
	nodes  []*node
	probs  *problems
	budget *budget
}

func newLayers(probs *problems, b *budget) *layers {
	return &layers{ko: koanf.New(delim), probs: probs, budget: b}
}

func (l *layers) leaf(n *node) int {
	l.nodes = append(l.nodes, n)
	return len(l.nodes) - 1
}

// tree turns a mapping into what koanf merges. Lists and scalars are leaves.
// The length of all paths is bounded, since koanf keeps each of them.
func (l *layers) tree(n *node, path int) (map[string]any, bool) {
	out := map[string]any{marker: l.leaf(n)}
	for _, k := range n.keys {
		v, length := n.fields[k], path+len(k)+1
		if l.budget.paths -= length; l.budget.paths < 0 {
			l.probs.add(v.keyAt, "", fmt.Sprintf("the paths of all settings have more than %d bytes", maxPathBytes), "use shorter keys, or fewer")
			return nil, false
		}
		if v.kind != mapping {
			out[k] = l.leaf(v)
			continue
		}
		sub, ok := l.tree(v, length)
		if !ok {
			return nil, false
		}
		out[k] = sub
	}
	return out, true
}

// file merges a file's mapping over what is there.
func (l *layers) file(n *node) {
	t, ok := l.tree(n, 0)
	if !ok {
		return
	}
	l.load(t, "", koanf.WithMergeFunc(l.mergeFile))
}

func (l *layers) load(t map[string]any, d string, opts ...koanf.Option) {
	if err := l.ko.Load(confmap.Provider(t, d), nil, opts...); err != nil {
		l.probs.add(pos{}, "", "merging the layers: "+err.Error(), "")
	}
}

// mergeFile is koanf's merge with two exceptions: the lists of components are
// joined, and a source of another kind replaces the old one.
func (l *layers) mergeFile(src, dest map[string]any) error {
	l.dropEmpty(src, dest)
	for _, key := range []string{"steps", "sinks"} {
		older, newer := l.listAt(dest[key]), l.listAt(src[key])
		if older != nil && newer != nil {
			both := *newer
			both.items = slices.Concat(older.items, newer.items)
			src[key] = l.leaf(&both)
		}
	}
	older, ok1 := dest["source"].(map[string]any)
	newer, ok2 := src["source"].(map[string]any)
	if ok1 && ok2 && !sameKeys(older, newer) {
		delete(dest, "source")
	}
	maps.Merge(src, dest)
	return nil
}

// dropEmpty takes keys with nothing behind them out of src where dest has
// something: a section of which all lines are commented out changes nothing.
func (l *layers) dropEmpty(src, dest map[string]any) {
	for k, v := range src {
		older, both := dest[k].(map[string]any)
		switch v := v.(type) {
		case map[string]any:
			if both {
				l.dropEmpty(v, older)
			}
		case int:
			if l.nodes[v].isNull() && k != marker && (both || l.listAt(dest[k]) != nil) {
				delete(src, k)
			}
		}
	}
}

func (l *layers) listAt(v any) *node {
	if i, ok := v.(int); ok && l.nodes[i].kind == list {
		return l.nodes[i]
	}
	return nil
}

func sameKeys(a, b map[string]any) bool {
	for k := range b {
		if _, ok := a[k]; !ok && k != marker {
			return false
		}
	}
	return true
}

// override puts one value over what is there. koanf's merge ends at lists, so a
// path that goes into one becomes a changed copy of the list.
func (l *layers) override(path []string, v *node) {
	for i := 1; i < len(path); i++ {
		key := strings.Join(path[:i], delim)
		index, ok := l.ko.Get(key).(int)
		if !ok {
			continue
		}
		if old := l.nodes[index]; old.kind == list {
			n, ok := l.replace(old, path, i, v)
			if ok {
				l.load(map[string]any{key: l.leaf(n)}, delim)
			}
			return
		}
	}
	var leaf any = l.leaf(v)
	if v.kind == mapping {
		t, ok := l.tree(v, len(strings.Join(path, delim)))
		if !ok {
			return
		}
		delete(t, marker) // the file's own place for the mapping stays
		leaf = t
	}
	l.load(map[string]any{strings.Join(path, delim): leaf}, delim)
}

// replace returns a copy of n with the value at path[i:] replaced.
func (l *layers) replace(n *node, path []string, i int, v *node) (*node, bool) {
	if i == len(path) {
		v := *v
		v.keyAt = v.at
		return &v, true
	}
	here := strings.Join(path[:i], ".")
	out := *n
	if n.kind == list {
		at, err := strconv.Atoi(path[i])
		if err != nil || at < 0 || at >= len(n.items) {
			l.probs.add(v.at, here, fmt.Sprintf("there is no entry %q", path[i]), entries(len(n.items)))
			return nil, false
		}
		item, ok := l.replace(n.items[at], path, i+1, v)
		if !ok {
			return nil, false
		}
		out.items = slices.Clone(n.items)
		out.items[at] = item
		return &out, true
	}
	if i == 2 && (path[0] == "steps" || path[0] == "sinks") && len(n.keys) == 1 && n.keys[0] != path[i] {
		l.probs.add(v.at, here, fmt.Sprintf("the entry is %q, not %q", n.keys[0], path[i]), "")
		return nil, false
	}
	old, ok := n.fields[path[i]]
	if !ok {
		old = &node{kind: mapping, at: v.at, keyAt: v.at}
	}
	field, ok := l.replace(old, path, i+1, v)
	if !ok {
		return nil, false
	}
	if n.kind != mapping {
		out = node{kind: mapping, at: n.at, keyAt: n.keyAt}
	} else {
		out = *n.without()
	}
	out.set(path[i], field)
	return &out, true
}

func entries(n int) string {
	switch n {
	case 0:
		return "the list is empty"
	case 1:
		return "the list has one entry, 0"
	}
	return fmt.Sprintf("the list has the entries 0 to %d", n-1)
}

// merged returns the tree of what stands after all layers.
func (l *layers) merged() *node { return l.build(l.ko.Raw()) }

func (l *layers) build(t map[string]any) *node {
	n := &node{kind: mapping}
	if i, ok := t[marker].(int); ok {
		n.at, n.keyAt = l.nodes[i].at, l.nodes[i].keyAt
	}
	keys := make([]string, 0, len(t))
	for k := range t {
		if k != marker {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch v := t[k].(type) {
		case int:
			c := *l.nodes[v]
			if !c.keyAt.known() {
				c.keyAt = c.at
			}
			n.set(k, &c)
		case map[string]any:
			n.set(k, l.build(v))
		}
		if c := n.fields[k]; !n.at.known() && c != nil {
			n.at, n.keyAt = c.at, c.at
		}
	}
	return n
}
