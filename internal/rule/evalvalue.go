package rule

import (
	"math"
	"math/bits"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

func arrowOffsets(b []byte, offset, n int) []int32 {
	return arrow.Int32Traits.CastFromBytes(b)[offset : offset+n+1]
}

// constant puts a constant where it is needed.
func (m *machine) constant(nd *node, v *vec) {
	for w, need := range v.need {
		if nd.kind == kBool {
			v.t[w] |= need & -uint64(nd.num)
			continue
		}
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			if nd.kind == kDouble {
				v.f64[i] = nd.cf
			} else {
				v.i64[i] = nd.num
			}
		}
	}
}

// widen turns narrow values of a leaf into 64 bits, and a Boolean array into
// bits of ours.
func (m *machine) widen(nd *node, v *vec) {
	a := m.cols[nd.col]
	from := 0
	if nd.op == opElem {
		d := m.dom(nd.dom)
		a, from = d.child, int(d.base)
	}
	b := buffer(a.Data(), 1)
	at := a.Data().Offset() + from
	switch nd.typ {
	case atInt8:
		widenInts(v, arrow.Int8Traits.CastFromBytes(b)[at:])
	case atInt16:
		widenInts(v, arrow.Int16Traits.CastFromBytes(b)[at:])
	case atInt32:
		widenInts(v, arrow.Int32Traits.CastFromBytes(b)[at:])
	case atUint8:
		widenInts(v, b[at:])
	case atUint16:
		widenInts(v, arrow.Uint16Traits.CastFromBytes(b)[at:])
	case atUint32:
		widenInts(v, arrow.Uint32Traits.CastFromBytes(b)[at:])
	case atFloat32:
		f := arrow.Float32Traits.CastFromBytes(b)[at:]
		for w, need := range v.need {
			for ; need != 0; need &= need - 1 {
				i := w<<6 + bits.TrailingZeros64(need)
				v.f64[i] = float64(f[i])
			}
		}
	case atBool:
		for w, need := range v.need {
			for need &^= v.err[w]; need != 0; need &= need - 1 {
				if i := w<<6 + bits.TrailingZeros64(need); bitutil.BitIsSet(b, at+i) {
					v.t.set(i)
				}
			}
		}
	}
}

func widenInts[T int8 | int16 | int32 | uint8 | uint16 | uint32](v *vec, from []T) {
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			v.i64[i] = int64(from[i])
		}
	}
}

// text computes size() and lowerAscii() of strings.
func (m *machine) text(nd *node, v *vec) {
	a, _ := m.strict(nd, v)
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			s := a.str.at(i)
			if nd.op == opStrLen {
				v.i64[i] = int64(utf8.RuneCount(s))
				continue
			}
			v.str.lo[i] = int32(len(v.ownData))
			v.ownData = append(v.ownData, s...)
			v.str.hi[i] = int32(len(v.ownData))
			lowerASCII(v.ownData[v.str.lo[i]:])
		}
	}
	if nd.op == opLower {
		v.str.data = v.ownData
	}
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c | 0x20
		}
	}
}

// arith computes numbers, times and durations. What CEL makes an error
// (overflow, division by zero, a time out of range) is one here.
func (m *machine) arith(nd *node, v *vec) {
	a, b := m.strict(nd, v)
	for w, need := range v.need {
		for ; need != 0; need &= need - 1 {
			i := w<<6 + bits.TrailingZeros64(need)
			ok := true
			switch {
			case nd.op == opToDouble:
				v.f64[i] = float64(a.i64[i])
			case nd.kind == kDouble:
				v.f64[i] = arithDouble(nd.op, a, b, i)
			case nd.op == opTimeDiff:
				v.i64[i], ok = timeDiff(a.i64[i], b.i64[i])
			case nd.op == opTimeAdd:
				v.i64[i], ok = timeAdd(a.i64[i], nd.ci)
			case nd.op == opTimePart:
				v.i64[i] = timePart(nd.ci, a.i64[i])
			case nd.op == opNeg:
				v.i64[i], ok = -a.i64[i], a.i64[i] != math.MinInt64
			case nd.kind == kUint:
				v.i64[i], ok = arithUint(nd.op, uint64(a.i64[i]), uint64(b.i64[i]))
			default:
				v.i64[i], ok = arithInt(nd.op, a.i64[i], b.i64[i])
			}
			if !ok {
				v.err.set(i)
			}
		}
	}
}

func arithDouble(o op, a, b *vec, i int) float64 {
	switch o {
	case opAdd:
		return a.f64[i] + b.f64[i]
	case opSub:
		return a.f64[i] - b.f64[i]
	case opMul:
		return a.f64[i] * b.f64[i]
	case opDiv:
		return a.f64[i] / b.f64[i]
	}
	return -a.f64[i]
}

// arithInt computes with a check for overflow, as CEL's int does.
func arithInt(o op, x, y int64) (int64, bool) {
	switch o {
	case opAdd:
		z := x + y
		return z, (z > x) == (y > 0)
	case opSub:
		z := x - y
		return z, (z < x) == (y > 0)
	case opMul:
		if x == 0 || y == 0 {
			return 0, true
		}
		z := x * y
		return z, z/y == x && (x != -1 || y != math.MinInt64) && (y != -1 || x != math.MinInt64)
	case opDiv:
		if y == 0 || x == math.MinInt64 && y == -1 {
			return 0, false
		}
		return x / y, true
	}
	if y == 0 || x == math.MinInt64 && y == -1 {
		return 0, false
	}
	return x % y, true
}

func arithUint(o op, x, y uint64) (int64, bool) {
	switch o {
	case opAdd:
		z, carry := bits.Add64(x, y, 0)
		return int64(z), carry == 0
	case opSub:
		return int64(x - y), y <= x
	case opMul:
		hi, lo := bits.Mul64(x, y)
		return int64(lo), hi == 0
	case opDiv:
		if y == 0 {
			return 0, false
		}
		return int64(x / y), true
	}
	if y == 0 {
		return 0, false
	}
	return int64(x % y), true
}

// floorDiv divides rounding down.
func floorDiv(x, y int64) (q, r int64) {
	if q, r = x/y, x%y; r < 0 {
		return q - 1, r + y
	}
	return q, r
}

// timeDiff subtracts times in milliseconds to a duration in nanoseconds. It
// goes by seconds and the rest, and so overflows where cel-go's does.
func timeDiff(x, y int64) (int64, bool) {
	xs, xm := floorDiv(x, 1000)
	ys, ym := floorDiv(y, 1000)
	s, ok := arithInt(opMul, xs-ys, 1e9)
	if !ok {
		return 0, false
	}
	return arithInt(opAdd, s, (xm-ym)*1e6)
}

// The range of CEL's timestamps in seconds: years 1 to 9999.
const (
	minTime = -62135596800
	maxTime = 253402300799
)

// timeAdd adds milliseconds to a time.
func timeAdd(x, ms int64) (int64, bool) {
	z, ok := arithInt(opAdd, x, ms)
	s, _ := floorDiv(z, 1000)
	return z, ok && s >= minTime && s <= maxTime
}

// timePart returns a part of a time in UTC.
func timePart(part, ms int64) int64 {
	s, milli := floorDiv(ms, 1000)
	day, sec := floorDiv(s, 86400)
	switch part {
	case partHours:
		return sec / 3600
	case partMinutes:
		return sec / 60 % 60
	case partSeconds:
		return sec % 60
	case partMillis:
		return milli
	}
	_, weekday := floorDiv(day+4, 7) // 1970-01-01 was a Thursday
	return weekday
}
