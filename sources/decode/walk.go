package decode

import (
	"github.com/sluicehq/sluice/internal/jsonscan"
)

// valueKind is the type of a JSON value in a slot. Null counts as absent.
type valueKind uint8

const (
	absent  valueKind = iota
	str               // between the quotes, no escapes
	escaped           // between the quotes, with escapes: str+valueKind(jsonscan.Escaped)
	number
	boolTrue
	boolFalse
	jsonObject // whole value
	jsonArray
	made     // not in the record but in the decoder's scratch, as plain text
	madeTime // Unix milliseconds, in off and end
)

// value is a span of the record (or of scratch memory).
type value struct {
	off, end uint32
	kind     valueKind
}

// item is an element of a list. Number counts the elements of [*] within the
// record; values of one element have the same.
type item struct {
	value
	number uint32
	rank   uint8
}

type list struct {
	items []item
	seen  bool // the array was there, empty or not
}

// walker walks records along a tree of nodes and fills slots.
type walker struct {
	buf   []byte  // the record
	slots []value // one more than the plan has, for strings that nobody wants
	lists []list
	dirty bool // a list was touched

	element uint32 // number of the element that is being walked
	counter uint32 // elements so far

	hints  []hint // what followed what: see hint
	keyBuf []byte

	failed   jsonscan.Status
	mismatch *node // a value that should have been an object or array
	wrongAt  int
}

// reset prepares for a record.
func (w *walker) reset(record []byte) {
	w.buf = record
	clear(w.slots)
	if w.dirty {
		for i := range w.lists {
			w.lists[i].items, w.lists[i].seen = w.lists[i].items[:0], false
		}
		w.dirty, w.counter = false, 0
	}
	w.element = 0
	w.mismatch = nil
}

// walk walks the whole record; on failure it returns the position.
func (w *walker) walk(root *node, record []byte) (int, jsonscan.Status) {
	w.reset(record)
	w.failed = jsonscan.OK
	i := w.value(root, jsonscan.Space(record, 0), 0)
	if w.failed != jsonscan.OK {
		return i, w.failed
	}
	if i = jsonscan.Space(record, i); i < len(record) {
		return i, jsonscan.BadSyntax
	}
	return i, jsonscan.OK
}

func (w *walker) fail(i int, st jsonscan.Status) int {
	w.failed = st
	return i
}

// value walks the value at i for node n and returns the position after it. If
// w.failed is set the position is that of the error.
func (w *walker) value(n *node, i, depth int) int {
	b := w.buf
	if i >= len(b) {
		return w.fail(i, jsonscan.Truncated)
	}
	start, v := i, value{}
	var st jsonscan.Status
	switch c := b[i]; {
	case c == '"':
		if i, st = jsonscan.String(b, i+1); st.Failed() {
			return w.fail(i, st)
		}
		v = value{uint32(start + 1), uint32(i), str}
		if st == jsonscan.Escaped {
			v.kind = escaped
		}
		i++
	case c == '{':
		if n.kids != nil {
			i = w.object(n, i, depth)
		} else if i, st = jsonscan.Skip(b, i, depth); st != jsonscan.OK {
			return w.fail(i, st)
		}
		v = value{uint32(start), uint32(i), jsonObject}
	case c == '[':
		if n.isArray {
			i = w.array(n, i, depth)
		} else if i, st = jsonscan.Skip(b, i, depth); st != jsonscan.OK {
			return w.fail(i, st)
		}
		v = value{uint32(start), uint32(i), jsonArray}
	case c == '-' || c-'0' <= 9:
		if i, st = jsonscan.Number(b, i); st != jsonscan.OK {
			return w.fail(i, st)
		}
		v = value{uint32(start), uint32(i), number}
	default:
		if i, st = jsonscan.Literal(b, i); st != jsonscan.OK {
			return w.fail(i, st)
		}
		switch c {
		case 't':
			v = value{uint32(start), uint32(i), boolTrue}
		case 'f':
			v = value{uint32(start), uint32(i), boolFalse}
		}
	}
	if w.failed != jsonscan.OK {
		return i
	}
	if n.container() && n.slot < 0 && v.kind != absent && w.mismatch == nil &&
		!(v.kind == jsonObject && n.kids != nil) && !(v.kind == jsonArray && n.isArray) {
		w.mismatch, w.wrongAt = n, start
	}
	if n.slot >= 0 {
		w.slots[n.slot] = v
	}
	for _, l := range n.lists {
		w.put(l, v)
	}
	return i
}

// put adds v to a list, or puts it in the place of what the same element gave
// before: a duplicate of the key, or a name of the group that comes later.
func (w *walker) put(l listRef, v value) {
	w.dirty = true
	items := w.lists[l.list].items
	if n := len(items); n > 0 && items[n-1].number == w.element && w.element > 0 {
		switch last := &items[n-1]; {
		case last.rank < l.rank:
		case v.kind != absent:
			last.value, last.rank = v, l.rank
		case last.rank == l.rank:
			w.lists[l.list].items = items[:n-1]
		}
		return
	}
	if v.kind != absent {
		w.lists[l.list].items = append(items, item{value: v, number: w.element, rank: l.rank})
	}
}

// object walks the object at b[i] == '{'.
func (w *walker) object(n *node, i, depth int) int {
	b := w.buf
	if depth >= jsonscan.MaxDepth {
		return w.fail(i, jsonscan.TooDeep)
	}
	i = jsonscan.Space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	hints := w.hints[n.hints : n.hints+n.states()]
	state, seen := 0, uint64(0)
	for {
		// The key and what surrounds it: as expected (fast path), or any.
		h := &hints[state]
		if h.matches(b[i:]) {
			i += h.size
		} else {
			var more bool
			if i, more = w.key(n, h, i, state == 0); !more {
				return i
			}
		}
		state = h.next
		// The value; first the most frequent kind of it.
		if h.slot >= 0 && i < len(b) && b[i] == '"' {
			end, st := jsonscan.String(b, i+1)
			if st.Failed() {
				return w.fail(end, st)
			}
			w.slots[h.slot] = value{uint32(i + 1), uint32(end), str + valueKind(st)}
			i = end + 1
			continue
		}
		if i < len(b) && b[i] <= ' ' { // more than the last time
			i = jsonscan.Space(b, i)
		}
		if h.kid == 0 {
			var st jsonscan.Status
			if i, st = jsonscan.Skip(b, i, depth+1); st.Failed() {
				return w.fail(i, st)
			}
			continue
		}
		k := &n.kids[h.kid-1]
		if k.bit != 0 {
			if seen&k.bit != 0 {
				w.forget(k.node)
			}
			seen |= k.bit
		}
		if i = w.value(k.node, i, depth+1); w.failed != jsonscan.OK {
			return i
		}
	}
}

// comma scans what follows a value in an object or array that end closes: a
// comma, and the white space around it. If there is no more it returns the
// position after end, or fails.
func (w *walker) comma(i int, end byte) (after int, more bool) {
	b := w.buf
	if i = jsonscan.Space(b, i); i >= len(b) {
		return w.fail(i, jsonscan.Truncated), false
	}
	if b[i] == ',' {
		return jsonscan.Space(b, i+1), true
	}
	if b[i] != end {
		return w.fail(i, jsonscan.BadSyntax), false
	}
	return i + 1, false
}

// key scans what stands before a member's value, or the end of the object, and
// lets h remember that. If there is no more it returns the position after the
// object, or fails.
func (w *walker) key(n *node, h *hint, i int, first bool) (after int, more bool) {
	b, from := w.buf, i
	if !first {
		if i, more = w.comma(i, '}'); !more {
			return i, false
		}
	}
	if i >= len(b) {
		return w.fail(i, jsonscan.Truncated), false
	}
	if b[i] != '"' {
		return w.fail(i, jsonscan.BadSyntax), false
	}
	end, st := jsonscan.String(b, i+1)
	if st.Failed() {
		return w.fail(end, st), false
	}
	key := b[i+1 : end]
	if st == jsonscan.Escaped {
		w.keyBuf = jsonscan.AppendUnescaped(w.keyBuf[:0], key)
		key = w.keyBuf
	}
	if i = jsonscan.Space(b, end+1); i >= len(b) {
		return w.fail(i, jsonscan.Truncated), false
	}
	if b[i] != ':' {
		return w.fail(i, jsonscan.BadSyntax), false
	}
	i = jsonscan.Space(b, i+1)
	h.kid, h.next = n.find(key)
	h.slot = len(w.slots) - 1 // nobody reads that
	if h.kid > 0 {
		h.slot = n.kids[h.kid-1].slot
	}
	h.learn(b[from:i])
	return i, true
}

// forget drops what a key's earlier value left below n: the last one wins.
func (w *walker) forget(n *node) {
	for _, s := range n.below {
		w.slots[s] = value{}
	}
	for _, l := range n.belowLists {
		items := w.lists[l].items
		for len(items) > 0 && items[len(items)-1].number >= w.element {
			items = items[:len(items)-1]
		}
		w.lists[l].items, w.lists[l].seen = items, false
	}
}

// array walks the array at b[i] == '['.
func (w *walker) array(n *node, i, depth int) int {
	b := w.buf
	if depth >= jsonscan.MaxDepth {
		return w.fail(i, jsonscan.TooDeep)
	}
	for _, l := range n.arrays {
		w.lists[l].seen, w.dirty = true, true
	}
	if i = jsonscan.Space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	outer := w.element
	for at := 0; ; at++ {
		child := n.rest
		if at < len(n.index) {
			child = n.index[at]
		}
		if child == nil {
			var st jsonscan.Status
			if i, st = jsonscan.Skip(b, i, depth+1); st.Failed() {
				return w.fail(i, st)
			}
		} else {
			if n.each {
				w.dirty = true
				w.counter++
				w.element = w.counter
			}
			if i = w.value(child, i, depth+1); w.failed != jsonscan.OK {
				return i
			}
		}
		var more bool
		if i, more = w.comma(i, ']'); !more {
			w.element = outer
			return i
		}
	}
}
