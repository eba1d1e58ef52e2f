package jsonlines

import (
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// ints are the values of a signed column of any width: one of the slices.
type ints struct {
	width int
	i8    []int8
	i16   []int16
	i32   []int32
	i64   []int64
}

func (v *ints) bind(col arrow.Array) bool {
	switch a := col.(type) {
	case *array.Int8:
		v.width, v.i8 = 1, a.Int8Values()
	case *array.Int16:
		v.width, v.i16 = 2, a.Int16Values()
	case *array.Int32:
		v.width, v.i32 = 4, a.Int32Values()
	case *array.Int64:
		v.width, v.i64 = 8, a.Int64Values()
	case *array.Timestamp:
		t := a.TimestampValues()
		v.width, v.i64 = 8, unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(t))), len(t))
	default:
		return false
	}
	return true
}

func (v *ints) at(i int) int64 {
	switch v.width {
	case 1:
		return int64(v.i8[i])
	case 2:
		return int64(v.i16[i])
	case 4:
		return int64(v.i32[i])
	default:
		return v.i64[i]
	}
}

// uints are the values of an unsigned column of any width.
type uints struct {
	width int
	u8    []uint8
	u16   []uint16
	u32   []uint32
	u64   []uint64
}

func (v *uints) bind(col arrow.Array) bool {
	switch a := col.(type) {
	case *array.Uint8:
		v.width, v.u8 = 1, a.Uint8Values()
	case *array.Uint16:
		v.width, v.u16 = 2, a.Uint16Values()
	case *array.Uint32:
		v.width, v.u32 = 4, a.Uint32Values()
	case *array.Uint64:
		v.width, v.u64 = 8, a.Uint64Values()
	default:
		return false
	}
	return true
}

func (v *uints) at(i int) uint64 {
	switch v.width {
	case 1:
		return uint64(v.u8[i])
	case 2:
		return uint64(v.u16[i])
	case 4:
		return uint64(v.u32[i])
	default:
		return v.u64[i]
	}
}

const hex = "0123456789abcdef"

// plain reports the bytes that stand for themselves in a JSON string of UTF-8.
func plain(c byte) bool { return c >= ' ' && c != '"' && c != '\\' }

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	return appendText(dst, unsafe.Slice(unsafe.StringData(s), len(s)), utf8.ValidString(s))
}

// appendText appends s as a JSON string. valid says that s lies in text that
// is UTF-8 as a whole; then s is, unless its ends lie inside a rune.
func appendText(dst, s []byte, valid bool) []byte {
	if len(s) > 0 && (!valid || !wholeRunes(s)) {
		return appendChecked(dst, s)
	}
	dst = append(dst, '"')
	start := 0
	for i, c := range s {
		if plain(c) {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// wholeRunes reports whether s neither begins nor ends inside a rune.
func wholeRunes(s []byte) bool {
	if s[len(s)-1] < utf8.RuneSelf {
		return utf8.RuneStart(s[0])
	}
	r, n := utf8.DecodeLastRune(s)
	return utf8.RuneStart(s[0]) && (r != utf8.RuneError || n > 1)
}

// appendChecked is appendText for bytes that may not be UTF-8.
func appendChecked(dst, s []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain(c) {
				dst = append(dst, c)
			} else {
				dst = appendEscape(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		dst = utf8.AppendRune(dst, r) // U+FFFD where it is not UTF-8
		i += n
	}
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendTime appends a time as RFC 3339 with milliseconds in UTC. milli is the
// number of its units in a millisecond, or, negated, the milliseconds in one.
// Years outside 0 to 9999 get a sign and six digits, as ISO 8601 allows.
func appendTime(dst []byte, t, milli int64) []byte {
	days, ms := split(t, milli)
	year, month, day := civil(days)
	dst = append(dst, '"')
	if year < 0 || year > 9999 {
		sign := byte('+')
		if year < 0 {
			sign, year = '-', -year
		}
		dst = append(dst, sign)
		for limit := int64(100_000); limit > year && limit > 1; limit /= 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = digits2(digits2(dst, year/100), year%100)
	}
	dst = digits2(append(dst, '-'), month)
	dst = digits2(append(dst, '-'), day)
	dst = digits2(append(dst, 'T'), ms/3_600_000)
	dst = digits2(append(dst, ':'), ms/60_000%60)
	dst = digits2(append(dst, ':'), ms/1000%60)
	dst = append(dst, '.', byte('0'+ms/100%10))
	dst = digits2(dst, ms%100)
	return append(dst, 'Z', '"')
}

// split returns the days since 1970-01-01 and the milliseconds in the day.
func split(t, milli int64) (days, ms int64) {
	const day = 86_400_000
	if milli < 0 { // seconds
		days, ms = floorDiv(t, day/-milli)
		return days, ms * -milli
	}
	t, _ = floorDiv(t, milli)
	return floorDiv(t, day)
}

func floorDiv(a, b int64) (quotient, remainder int64) {
	quotient, remainder = a/b, a%b
	if remainder < 0 {
		return quotient - 1, remainder + b
	}
	return quotient, remainder
}

// civil returns the date of a day since 1970-01-01 in the proleptic Gregorian
// calendar. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
// civil_from_days.
func civil(days int64) (year, month, day int64) {
	era, doe := floorDiv(days+719_468, 146_097)
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func digits2(dst []byte, v int64) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
