package decode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// node is a place in a record that the plan wants something of, or of what
// lies below it. Nodes are immutable.
type node struct {
	path  string // for error messages
	slot  int    // the scalar slot that takes the value; -1 for none
	lists []listRef

	kids  []kid   // children by key
	table []uint8 // hash table: kid's position plus one; 0 is free
	hints int     // where the node's hints begin among all

	isArray bool
	index   []*node // elements by index; nil where not wanted
	rest    *node   // all further elements; nil if not wanted
	each    bool    // elements are of a [*]: each starts a new element number
	arrays  []int   // lists whose innermost [*] is this array

	below      []int // scalar slots of the children, for duplicate keys
	belowLists []int
}

func (n *node) container() bool { return n.isArray || n.kids != nil }

// listRef says that a node's value goes to a list.
type listRef struct {
	list int
	rank uint8
}

type kid struct {
	key  string
	node *node
	bit  uint64 // for containers: a bit of its own within the parent
	slot int    // the scalar slot, if the value goes there and nowhere else; else -1
}

// target is where the value at a path goes: to a scalar slot or to a list.
type target struct {
	path
	slot int // -1 for a list
	list int
}

const (
	maxKids       = 255
	maxContainers = 64
)

// builder compiles targets into a tree of nodes. It goes from sets of path
// ends to nodes, as one makes an automaton deterministic, since a[0] and a[*]
// may meet in one element.
type builder struct{ hints int }

func (b *builder) node(prefix path, ends []target) (*node, error) {
	n := &node{path: prefix.String(), slot: -1}
	var keys []string
	for _, t := range ends {
		depth := len(prefix.steps)
		if len(t.steps) == depth {
			if t.slot >= 0 {
				n.slot = t.slot
			} else {
				n.lists = append(n.lists, listRef{t.list, t.rank})
			}
			continue
		}
		if t.slot >= 0 {
			n.below = append(n.below, t.slot)
		} else {
			n.belowLists = append(n.belowLists, t.list)
		}
		if s := t.steps[depth]; s.array {
			n.isArray = true
		} else if !slices.Contains(keys, s.key) {
			keys = append(keys, s.key)
		}
	}
	slices.Sort(n.belowLists)
	n.belowLists = slices.Compact(n.belowLists)
	if n.isArray {
		if err := b.elements(n, prefix, ends); err != nil {
			return nil, err
		}
	}
	if len(keys) > maxKids {
		return nil, fmt.Errorf("more than %d keys of one object (%s)", maxKids, n.path)
	}
	containers := 0
	for _, key := range keys {
		child, err := b.child(prefix, ends, step{key: key})
		if err != nil {
			return nil, err
		}
		k := kid{key: key, node: child}
		if child.container() {
			if containers == maxContainers {
				return nil, fmt.Errorf("more than %d objects and arrays in one object (%s)", maxContainers, n.path)
			}
			k.bit = 1 << containers
			containers++
		}
		k.slot = child.slot
		if child.container() || child.lists != nil {
			k.slot = -1
		}
		n.kids = append(n.kids, k)
	}
	n.hashKeys()
	n.hints = b.hints
	b.hints += n.states()
	return n, nil
}

// child builds the node that step s leads to from prefix.
func (b *builder) child(prefix path, ends []target, s step) (*node, error) {
	depth := len(prefix.steps)
	var below []target
	for _, t := range ends {
		if len(t.steps) <= depth {
			continue
		}
		u := t.steps[depth]
		if u == s || u.array && s.array && u.index == wildcard {
			below = append(below, t)
		}
	}
	return b.node(path{steps: append(slices.Clone(prefix.steps), s)}, below)
}

// elements builds the nodes of an array's elements.
func (b *builder) elements(n *node, prefix path, ends []target) error {
	depth := len(prefix.steps)
	for _, t := range ends {
		if len(t.steps) <= depth || !t.steps[depth].array {
			continue
		}
		i := t.steps[depth].index
		if i == wildcard {
			n.each = true
			if !(path{steps: t.steps[depth+1:]}).hasWildcard() {
				n.arrays = append(n.arrays, t.list)
			}
			continue
		}
		for len(n.index) <= i {
			n.index = append(n.index, nil)
		}
	}
	var err error
	if n.each {
		if n.rest, err = b.child(prefix, ends, step{array: true, index: wildcard}); err != nil {
			return err
		}
	}
	for i := range n.index {
		named := slices.ContainsFunc(ends, func(t target) bool {
			return len(t.steps) > depth && t.steps[depth] == step{array: true, index: i}
		})
		if !named {
			n.index[i] = n.rest
		} else if n.index[i], err = b.child(prefix, ends, step{array: true, index: i}); err != nil {
			return err
		}
	}
	return nil
}

// hashKeys fills the table of an object's keys: open addressing, at most a
// quarter full.
func (n *node) hashKeys() {
	if len(n.kids) == 0 {
		return
	}
	n.table = make([]uint8, 1<<bits.Len(uint(4*len(n.kids)-1)))
	for i := range n.kids {
		h := hashKey([]byte(n.kids[i].key)) & (len(n.table) - 1)
		for n.table[h] != 0 {
			h = (h + 1) & (len(n.table) - 1)
		}
		n.table[h] = uint8(i + 1)
	}
}

// find returns the position of the kid of that key plus one, or 0; and the
// state after its value (see hint).
func (n *node) find(key []byte) (kid, state int) {
	hash := hashKey(key)
	for h := hash & (len(n.table) - 1); len(n.table) > 0; h = (h + 1) & (len(n.table) - 1) {
		k := int(n.table[h])
		if k == 0 {
			break
		}
		if n.kids[k-1].key == string(key) {
			return k, k
		}
	}
	return 0, len(n.kids) + 1 + hash%strayStates
}

// hashKey mixes a key's length, first and last bytes.
func hashKey(key []byte) int {
	var x uint64
	switch n := len(key); {
	case n >= 8:
		x = binary.LittleEndian.Uint64(key) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(key[n-8:]), 29)
	case n >= 4:
		x = uint64(binary.LittleEndian.Uint32(key)) | uint64(binary.LittleEndian.Uint32(key[n-4:]))<<32
	case n > 0:
		x = uint64(key[0]) | uint64(key[n/2])<<8 | uint64(key[n-1])<<16
	}
	x = (x + uint64(len(key))) * 0x9E3779B97F4A7C15
	return int(x >> 33)
}
