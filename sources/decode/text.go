package decode

import (
	"math/bits"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// texts builds a column of at most maxRows strings. It does what
// column.Strings does with less to check at each value, since the number of
// rows is bounded and nothing is null: the offsets are one array.
type texts struct {
	mem     memory.Allocator
	slot    int    // where the rows have the value
	buf     []byte // memory from mem, in the length that was asked for
	used    int    // bytes of it that are written
	hint    int    // the size that the last batch took
	rows    int
	offsets [maxRows + 1]int32
}

// block is how many bytes a short value is copied as, whatever its length:
// what is too much is written over by the next value.
const block = 32

// grow makes room for n more bytes.
func (t *texts) grow(n int) {
	size := 1 << bits.Len(uint(max(t.used+n, t.hint, 64)-1))
	if t.buf == nil {
		t.buf = t.mem.Allocate(size)
	} else {
		t.buf = t.mem.Reallocate(size, t.buf)
	}
}

// tail returns what was written of a value that is not closed yet, none, with
// room for n bytes to append.
func (t *texts) tail(n int) []byte {
	if t.used+n > len(t.buf) {
		t.grow(n)
	}
	return t.buf[t.used:t.used:len(t.buf)]
}

// end closes a value of n bytes, which were appended to tail.
func (t *texts) end(n int) {
	t.used += n
	t.rows++
	t.offsets[t.rows] = int32(t.used)
}

// put adds b[from:to].
func (t *texts) put(b []byte, from, to int) {
	n := to - from
	if t.used+max(n, block) > len(t.buf) {
		t.grow(max(n, block))
	}
	// Copying whole blocks beats a call up to about this length.
	dst := t.buf[t.used:]
	if n <= block && from+block <= len(b) {
		*(*[block]byte)(dst) = *(*[block]byte)(b[from:])
	} else {
		copy(dst, b[from:to])
	}
	t.end(n)
}

// fill adds empty values until there are n.
func (t *texts) fill(n int) {
	for at := int32(t.used); t.rows < n; {
		t.rows++
		t.offsets[t.rows] = at
	}
}

// lower turns all values to lower case, as far as they are ASCII.
func (t *texts) lower() {
	text := t.buf[:t.used]
	for i, c := range text {
		if c-'A' < 26 {
			text[i] = c | 0x20
		}
	}
}

// array returns the values and empties the builder.
func (t *texts) array() arrow.Array {
	if t.buf == nil {
		t.grow(1) // Arrow wants a buffer, empty or not
	}
	width := int(unsafe.Sizeof(t.offsets[0]))
	raw := t.mem.Allocate((t.rows + 1) * width)
	copy(unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(raw))), t.rows+1), t.offsets[:t.rows+1])
	offsets := memory.NewBufferWithAllocator(raw, t.mem)
	data := memory.NewBufferWithAllocator(t.buf, t.mem)
	data.ResizeNoShrink(t.used)
	d := array.NewData(arrow.BinaryTypes.String, t.rows, []*memory.Buffer{nil, offsets, data}, nil, 0, 0)
	defer d.Release()
	offsets.Release()
	data.Release()
	t.hint = t.used + t.used/8
	t.buf, t.used, t.rows = nil, 0, 0
	return array.NewStringData(d)
}

// release gives up what was appended and the memory that holds it.
func (t *texts) release() {
	if t.buf != nil {
		t.mem.Free(t.buf)
	}
	t.buf, t.used, t.rows = nil, 0, 0
}
