package arrowipc

import "encoding/binary"

// flat reads a FlatBuffer (https://flatbuffers.dev/internals) that nobody has
// verified. Each access is checked against the buffer's end; one that fails sets bad
// and gives 0, so that a reader looks at bad once, after all it has read.
type flat struct {
	b   []byte
	bad bool
}

// has reports whether n bytes are at position at.
func (f *flat) has(at, n int) bool {
	if at < 0 || n < 0 || at > len(f.b)-n {
		f.bad = true
		return false
	}
	return true
}

func (f *flat) u8(at int) uint8 {
	if !f.has(at, 1) {
		return 0
	}
	return f.b[at]
}

func (f *flat) u16(at int) uint16 {
	if !f.has(at, 2) {
		return 0
	}
	return binary.LittleEndian.Uint16(f.b[at:])
}

func (f *flat) u32(at int) uint32 {
	if !f.has(at, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(f.b[at:])
}

func (f *flat) i64(at int) int64 {
	if !f.has(at, 8) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.b[at:]))
}

// follow returns where the offset at a position leads.
func (f *flat) follow(at int) int { return at + int(f.u32(at)) }

// field returns the position of a table's n-th field; 0 if the table lacks it.
func (f *flat) field(table, n int) int {
	vtable := table - int(int32(f.u32(table)))
	size := int(f.u16(vtable))
	if slot := 4 + 2*n; !f.bad && slot+2 <= size {
		if o := int(f.u16(vtable + slot)); o > 0 {
			return table + o
		}
	}
	return 0
}

// short returns a field of 16 bits, or its default.
func (f *flat) short(table, n int, missing int16) int16 {
	if at := f.field(table, n); at > 0 {
		return int16(f.u16(at))
	}
	return missing
}

// byte returns a field of 8 bits; 0 without it.
func (f *flat) byte(table, n int) uint8 {
	if at := f.field(table, n); at > 0 {
		return f.u8(at)
	}
	return 0
}

// int returns a field of 32 bits; 0 without it.
func (f *flat) int(table, n int) int32 {
	if at := f.field(table, n); at > 0 {
		return int32(f.u32(at))
	}
	return 0
}

// long returns a field of 64 bits; 0 without it.
func (f *flat) long(table, n int) int64 {
	if at := f.field(table, n); at > 0 {
		return f.i64(at)
	}
	return 0
}

// table returns the position of a table that is a field; 0 without it.
func (f *flat) table(table, n int) int {
	if at := f.field(table, n); at > 0 {
		return f.follow(at)
	}
	return 0
}

// vector returns the first element and the number of elements, each of width
// bytes, of a vector that is a field.
func (f *flat) vector(table, n, width int) (first, length int) {
	at := f.field(table, n)
	if at == 0 {
		return 0, 0
	}
	at = f.follow(at)
	length = int(f.u32(at))
	if f.bad || length > len(f.b)/width || !f.has(at+4, length*width) {
		f.bad = true
		return 0, 0
	}
	return at + 4, length
}

// text returns a string that is a field.
func (f *flat) text(table, n int) []byte {
	at, length := f.vector(table, n, 1)
	return f.b[at : at+length]
}
