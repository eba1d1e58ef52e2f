// Package entry defines the entries of the fold tables, for the generator that
// packs them and the kernel that reads them.
package entry

// Limit is the first rune above the tables. Beyond it every rune is its own
// folded form, but for the tags and selectors of U+E0000 to U+E0FFF, which are
// removed.
const Limit = 0x30000

// An entry is 32 bits. 0 is the identity (in blocks; the table of runes below
// U+0800 spells identities out). Otherwise:
//
//	bits  0-23  folded form, up to 3 bytes of UTF-8 (2 below U+0800), first
//	            byte lowest; with IsLong the number of the long form
//	bits 24-25  length of the folded form
//	bit  27     with IsLong: the rune is removed but within an emoji sequence
//	bit  28     the rune is a removed combining mark
//	bit  29     the long form must be composed with what stands before it
//	bit  30     set, so that the entry is not 0
//	bit  31     the form is long
const (
	lengthShift = 24
	IsSequence  = 1 << 27
	IsMark      = 1 << 28
	IsComposing = 1 << 29
	isSet       = 1 << 30
	IsLong      = 1 << 31
	LongMask    = 1<<24 - 1
)

// Length returns the number of bytes of a short form.
func Length(e uint32) int { return int(e >> lengthShift & 3) }

// Removed returns the entry of a rune that folding removes.
func Removed(mark bool) uint32 {
	if mark {
		return isSet | IsMark
	}
	return isSet
}

// Short returns the entry of a rune whose folded form s has 1 to 3 bytes.
func Short(s string) uint32 {
	e := uint32(isSet | len(s)<<lengthShift)
	for i := range len(s) {
		e |= uint32(s[i]) << (8 * i)
	}
	return e
}

// Long returns the entry of a rune whose form is the i-th of the long ones.
func Long(i int, composing bool) uint32 {
	e := uint32(isSet|i) | IsLong
	if composing {
		e |= IsComposing
	}
	return e
}

// Sequence returns the entry of a rune that folding removes unless an emoji
// sequence needs it.
func Sequence(mark bool) uint32 { return Removed(mark) | IsLong | IsSequence }
