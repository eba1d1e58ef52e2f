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
	data    []byte // what is written, in memory from mem
	alloc   int    // its size as it was asked for; 0 is no memory
	hint    int    // the size that the last batch took
	rows    int
	offsets [maxRows + 1]int32
}

// room makes room for n more bytes.
func (t *texts) room(n int) {
	if len(t.data)+n <= t.alloc {
		return
	}
	size := 1 << bits.Len(uint(max(len(t.data)+n, t.hint, 64)-1))
	used := len(t.data)
	if t.alloc == 0 {
		t.data = t.mem.Allocate(size)
	} else {
		t.data = t.mem.Reallocate(size, t.data[:t.alloc])
	}
	t.data, t.alloc = t.data[:used], size
}

// end closes the value whose bytes were appended to data.
func (t *texts) end() {
	t.rows++
	t.offsets[t.rows] = int32(len(t.data))
}

// put adds a value.
func (t *texts) put(b []byte) {
	t.room(len(b))
	t.data = append(t.data, b...)
	t.end()
}

// putFrom adds b[from:to]. Short values are copied as sixteen bytes, whatever
// their length: what is too much is written over by the next.
func (t *texts) putFrom(b []byte, from, to int) {
	n := to - from
	t.room(max(n, 16))
	if n > 16 || from+16 > len(b) {
		t.data = append(t.data, b[from:to]...)
	} else {
		at := len(t.data)
		*(*[16]byte)(t.data[at : at+16]) = *(*[16]byte)(b[from : from+16])
		t.data = t.data[:at+n]
	}
	t.end()
}

// fill adds empty values until there are n.
func (t *texts) fill(n int) {
	for at := int32(len(t.data)); t.rows < n; {
		t.rows++
		t.offsets[t.rows] = at
	}
}

// array returns the values and empties the builder.
func (t *texts) array() arrow.Array {
	t.room(1) // Arrow wants a buffer, empty or not
	width := int(unsafe.Sizeof(t.offsets[0]))
	raw := t.mem.Allocate((t.rows + 1) * width)
	copy(unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(raw))), t.rows+1), t.offsets[:t.rows+1])
	offsets := memory.NewBufferWithAllocator(raw, t.mem)
	data := memory.NewBufferWithAllocator(t.data[:t.alloc], t.mem)
	data.ResizeNoShrink(len(t.data))
	d := array.NewData(arrow.BinaryTypes.String, t.rows, []*memory.Buffer{nil, offsets, data}, nil, 0, 0)
	defer d.Release()
	offsets.Release()
	data.Release()
	t.hint = len(t.data) + len(t.data)/8
	t.data, t.alloc, t.rows = nil, 0, 0
	return array.NewStringData(d)
}

// release gives up what was appended and the memory that holds it.
func (t *texts) release() {
	if t.alloc > 0 {
		t.mem.Free(t.data[:t.alloc])
	}
	t.data, t.alloc, t.rows = nil, 0, 0
}
