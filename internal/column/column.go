// Package column builds and reads Arrow columns without a call per value.
// Builders write straight into buffers of a memory.Allocator and hand these to
// the finished array: nothing is copied, and a warmed-up builder on a pooling
// allocator allocates a few small headers per column per batch.
//
// Builders are for one goroutine. NewArray empties the builder, which can be
// filled again at once; the array then owns the memory.
package column

import (
	"math/bits"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Value is what a Fixed column holds: Arrow's fixed-width primitive types,
// timestamps (as int64) among them. Booleans are bitmaps: see [Bools].
type Value interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Fixed builds a column of fixed-width values, nullable or not.
type Fixed[T Value] struct {
	mem   memory.Allocator
	raw   []byte // allocated from mem; vals is a view of it
	vals  []T
	hint  int // capacity to start with: what the last array took
	valid validity
}

// NewFixed returns an empty builder.
func NewFixed[T Value](mem memory.Allocator) *Fixed[T] { return &Fixed[T]{mem: mem} }

// Len returns the number of values.
func (c *Fixed[T]) Len() int { return len(c.vals) }

// Values returns the values so far, to read or to change; valid until the next
// call of any other method.
func (c *Fixed[T]) Values() []T { return c.vals }

// Append adds a value.
func (c *Fixed[T]) Append(v T) {
	if len(c.vals) == cap(c.vals) {
		c.grow(1)
	}
	c.vals = append(c.vals, v)
}

// AppendNull adds a null.
func (c *Fixed[T]) AppendNull() {
	c.valid.null(c.mem, len(c.vals))
	c.Append(0)
}

// MakeNull makes value i, which was appended and is not null, null.
func (c *Fixed[T]) MakeNull(i int) { c.valid.null(c.mem, i) }

// Extend adds n values of undefined content and returns them to be written.
func (c *Fixed[T]) Extend(n int) []T {
	if len(c.vals)+n > cap(c.vals) {
		c.grow(n)
	}
	c.vals = c.vals[:len(c.vals)+n]
	return c.vals[len(c.vals)-n:]
}

// Truncate drops all values from the n-th on, nulls too.
func (c *Fixed[T]) Truncate(n int) {
	c.vals = c.vals[:n]
	c.valid.truncate(n)
}

// grow makes room for n more values.
func (c *Fixed[T]) grow(n int) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	want := max(len(c.vals)+n, 2*cap(c.vals), c.hint, 64/size)
	c.raw = allocate(c.mem, want*size, c.raw)
	c.vals = unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(c.raw))), len(c.raw)/size)[:len(c.vals)]
}

// buffer hands over the values as a buffer; the builder is empty then, but for
// its validity.
func (c *Fixed[T]) buffer() *memory.Buffer {
	if c.raw == nil {
		c.grow(1) // Arrow wants a buffer, empty or not
	}
	var zero T
	b := own(c.mem, c.raw, len(c.vals)*int(unsafe.Sizeof(zero)))
	c.hint = len(c.vals) + len(c.vals)/8
	c.raw, c.vals = nil, nil
	return b
}

// NewArray returns the values as an array of type dt, whose width must be T's.
func (c *Fixed[T]) NewArray(dt arrow.DataType) arrow.Array {
	n := len(c.vals)
	bitmap, nulls := c.valid.buffer(c.mem, n)
	return newArray(dt, n, nulls, bitmap, c.buffer())
}

// Release gives up what was appended and the memory that holds it.
func (c *Fixed[T]) Release() {
	if c.raw != nil {
		c.mem.Free(c.raw)
		c.raw, c.vals = nil, nil
	}
	c.valid.release(c.mem)
}

// Strings builds a column of strings or of bytes, nullable or not. A value is
// either appended whole, or written piece by piece into Data and closed by End.
type Strings struct {
	Data    *Fixed[byte] // the bytes of all values
	offsets *Fixed[int32]
	valid   validity
}

// NewStrings returns an empty builder.
func NewStrings(mem memory.Allocator) *Strings {
	return &Strings{Data: NewFixed[byte](mem), offsets: NewFixed[int32](mem)}
}

// Len returns the number of closed values.
func (c *Strings) Len() int { return max(0, c.offsets.Len()-1) }

// End closes the value whose bytes were put into Data since the last one.
func (c *Strings) End() {
	if c.offsets.Len() == 0 {
		c.offsets.Append(0)
	}
	c.offsets.Append(int32(c.Data.Len()))
}

// Append adds a value.
func (c *Strings) Append(b []byte) {
	copy(c.Data.Extend(len(b)), b)
	c.End()
}

// AppendString adds a value.
func (c *Strings) AppendString(s string) {
	copy(c.Data.Extend(len(s)), s)
	c.End()
}

// Extend closes n values and returns their ends in Data to be written: Data is
// to get, before or after, the bytes up to the last one.
func (c *Strings) Extend(n int) []int32 {
	if c.offsets.Len() == 0 {
		c.offsets.Append(0)
	}
	return c.offsets.Extend(n)
}

// AppendNull adds a null.
func (c *Strings) AppendNull() {
	c.valid.null(c.Data.mem, c.Len())
	c.End()
}

// At returns the i-th closed value; valid until the next append.
func (c *Strings) At(i int) []byte {
	o := c.offsets.vals
	return c.Data.vals[o[i]:o[i+1]]
}

// Truncate drops all values from the n-th on, and what was put into Data after
// the last value that stays.
func (c *Strings) Truncate(n int) {
	if c.offsets.Len() == 0 {
		c.Data.Truncate(0)
		return
	}
	c.offsets.Truncate(n + 1)
	c.Data.Truncate(int(c.offsets.vals[n]))
	c.valid.truncate(n)
}

// NewArray returns the values as an array of type dt: Utf8 or Binary.
func (c *Strings) NewArray(dt arrow.DataType) arrow.Array {
	if c.offsets.Len() == 0 {
		c.offsets.Append(0)
	}
	n := c.Len()
	bits, nulls := c.valid.buffer(c.Data.mem, n)
	return newArray(dt, n, nulls, bits, c.offsets.buffer(), c.Data.buffer())
}

// Release gives up what was appended and the memory that holds it.
func (c *Strings) Release() {
	c.offsets.Release()
	c.valid.release(c.Data.mem)
	c.Data.Release()
}

// Offsets builds the offsets of one or several list columns: after the
// elements of a row were put into the child builders, End closes the row.
type Offsets struct{ vals *Fixed[int32] }

// NewOffsets returns an empty builder.
func NewOffsets(mem memory.Allocator) *Offsets { return &Offsets{vals: NewFixed[int32](mem)} }

// Len returns the number of closed rows.
func (o *Offsets) Len() int { return max(0, o.vals.Len()-1) }

// End closes a row; elements is the number of elements in the child so far.
func (o *Offsets) End(elements int) {
	if o.vals.Len() == 0 {
		o.vals.Append(0)
	}
	o.vals.Append(int32(elements))
}

// Extend closes n rows and returns their ends to be written, as End takes them.
func (o *Offsets) Extend(n int) []int32 {
	if o.vals.Len() == 0 {
		o.vals.Append(0)
	}
	return o.vals.Extend(n)
}

// Truncate drops all rows from the n-th on and returns the number of elements
// to which the children must be truncated.
func (o *Offsets) Truncate(n int) (elements int) {
	if o.vals.Len() == 0 {
		return 0
	}
	o.vals.Truncate(n + 1)
	return int(o.vals.vals[n])
}

// NewLists returns one list array for each child: they have equal offsets and
// share their memory. The children's references are taken over.
func (o *Offsets) NewLists(children ...arrow.Array) []arrow.Array {
	if o.vals.Len() == 0 {
		o.vals.Append(0)
	}
	n := o.Len()
	buf := o.vals.buffer()
	out := make([]arrow.Array, len(children))
	for i, child := range children {
		d := array.NewData(arrow.ListOfNonNullable(child.DataType()), n,
			[]*memory.Buffer{nil, buf}, []arrow.ArrayData{child.Data()}, 0, 0)
		out[i] = array.NewListData(d)
		d.Release()
		child.Release()
	}
	buf.Release()
	return out
}

// Release gives up what was appended and the memory that holds it.
func (o *Offsets) Release() { o.vals.Release() }

// Bools builds a column of booleans, nullable or not.
type Bools struct {
	bits  *Fixed[byte]
	n     int
	valid validity
}

// NewBools returns an empty builder.
func NewBools(mem memory.Allocator) *Bools { return &Bools{bits: NewFixed[byte](mem)} }

// Len returns the number of values.
func (c *Bools) Len() int { return c.n }

// Append adds a value.
func (c *Bools) Append(v bool) {
	if c.n%8 == 0 {
		c.bits.Append(0)
	}
	if v {
		bitutil.SetBit(c.bits.vals, c.n)
	}
	c.n++
}

// AppendNull adds a null.
func (c *Bools) AppendNull() {
	c.valid.null(c.bits.mem, c.n)
	c.Append(false)
}

// Truncate drops all values from the n-th on.
func (c *Bools) Truncate(n int) {
	c.n = n
	c.bits.Truncate((n + 7) / 8)
	if n%8 != 0 {
		c.bits.vals[n/8] &= 1<<(n%8) - 1
	}
	c.valid.truncate(n)
}

// NewArray returns the values as a Boolean array.
func (c *Bools) NewArray() arrow.Array {
	n := c.n
	bits, nulls := c.valid.buffer(c.bits.mem, n)
	c.n = 0
	return newArray(arrow.FixedWidthTypes.Boolean, n, nulls, bits, c.bits.buffer())
}

// Release gives up what was appended and the memory that holds it.
func (c *Bools) Release() {
	c.n = 0
	c.valid.release(c.bits.mem)
	c.bits.Release()
}

// validity is a null bitmap that comes into being with the first null: most
// columns never have one, and Arrow takes no bitmap for no nulls.
type validity struct {
	bits  []byte // from the allocator; bit i set = value i is there
	nulls int
}

// null marks value i, and all that are appended without a mark are there.
func (v *validity) null(mem memory.Allocator, i int) {
	need := i/8 + 1
	if old := len(v.bits); need > old {
		v.bits = allocate(mem, max(need, 2*old, 128), v.bits)
		memory.Set(v.bits[old:], 0xff)
	}
	bitutil.ClearBit(v.bits, i)
	v.nulls++
}

func (v *validity) truncate(n int) {
	for i := n; v.nulls > 0 && i < len(v.bits)*8; i++ {
		if !bitutil.BitIsSet(v.bits, i) {
			bitutil.SetBit(v.bits, i)
			v.nulls--
		}
	}
}

// buffer hands over the bitmap for n values; nil when there is no null.
func (v *validity) buffer(mem memory.Allocator, n int) (*memory.Buffer, int) {
	if v.nulls == 0 {
		v.release(mem)
		return nil, 0
	}
	need := (n + 7) / 8
	if old := len(v.bits); need > old {
		v.bits = allocate(mem, need, v.bits)
		memory.Set(v.bits[old:], 0xff)
	}
	b, nulls := own(mem, v.bits, need), v.nulls
	v.bits, v.nulls = nil, 0
	return b, nulls
}

func (v *validity) release(mem memory.Allocator) {
	if v.bits != nil {
		mem.Free(v.bits)
		v.bits = nil
	}
	v.nulls = 0
}

// allocate returns at least n bytes that begin with old, which may be nil. The
// sizes are powers of two, the classes of a slab pool. The length that the
// allocator was asked for is kept: checking allocators count by it.
func allocate(mem memory.Allocator, n int, old []byte) []byte {
	size := 1 << bits.Len(uint(max(n, 64)-1))
	if old == nil {
		return mem.Allocate(size)
	}
	return mem.Reallocate(size, old)
}

// own wraps raw, allocated from mem, in a buffer of n bytes that frees it.
func own(mem memory.Allocator, raw []byte, n int) *memory.Buffer {
	b := memory.NewBufferWithAllocator(raw, mem)
	b.ResizeNoShrink(n)
	return b
}

func newArray(dt arrow.DataType, n, nulls int, buffers ...*memory.Buffer) arrow.Array {
	d := array.NewData(dt, n, buffers, nil, nulls, 0)
	a := array.MakeFromData(d)
	d.Release()
	for _, b := range buffers {
		if b != nil {
			b.Release()
		}
	}
	return a
}
