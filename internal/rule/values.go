package rule

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// Value is a column that a condition looks at.
type Value struct {
	Name   string // as the condition calls it, such as author.followers
	Column int    // position in the schema
}

// Values returns the columns that rule i's condition looks at, in the order in
// which it names them.
func (p *Program) Values(i int) []Value {
	c := p.rules[i].cond
	out := make([]Value, len(c.cols))
	for k, col := range c.cols {
		out[k] = Value{c.names[k], p.env.columns[col].index}
	}
	return out
}

// AppendValue appends the printed value of a[row] to dst, at most limit bytes
// of it, cut at a character's edge and then ended by "...". Strings are printed
// as they are, times in RFC 3339, lists in brackets with quoted strings, and a
// null as null.
func AppendValue(dst []byte, a arrow.Array, row, limit int) []byte {
	start := len(dst)
	dst = appendValue(dst, a, row, start+limit+utf8.UTFMax, false)
	if len(dst)-start <= limit {
		return dst
	}
	cut := start + max(limit-3, 0)
	for cut > start && !utf8.RuneStart(dst[cut]) {
		cut--
	}
	return append(dst[:cut], "..."...)
}

// appendValue stops soon after dst is longer than enough.
func appendValue(dst []byte, a arrow.Array, row, enough int, quoted bool) []byte {
	if a.IsNull(row) {
		return append(dst, "null"...)
	}
	switch a := a.(type) {
	case *array.String:
		s := a.Value(row)
		if room := max(enough-len(dst), 0) + utf8.UTFMax; len(s) > room {
			s = s[:room]
		}
		if quoted {
			return strconv.AppendQuote(dst, s)
		}
		return append(dst, s...)
	case *array.Boolean:
		return strconv.AppendBool(dst, a.Value(row))
	case *array.Int8:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int16:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int32:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int64:
		return strconv.AppendInt(dst, a.Value(row), 10)
	case *array.Uint8:
		return strconv.AppendUint(dst, uint64(a.Value(row)), 10)
	case *array.Uint16:
		return strconv.AppendUint(dst, uint64(a.Value(row)), 10)
	case *array.Uint32:
		return strconv.AppendUint(dst, uint64(a.Value(row)), 10)
	case *array.Uint64:
		return strconv.AppendUint(dst, a.Value(row), 10)
	case *array.Float32:
		return strconv.AppendFloat(dst, float64(a.Value(row)), 'g', -1, 32)
	case *array.Float64:
		return strconv.AppendFloat(dst, a.Value(row), 'g', -1, 64)
	case *array.Timestamp:
		return time.UnixMilli(int64(a.Value(row))).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	case *array.List:
		return appendList(dst, a, row, enough)
	}
	return append(dst, '?')
}

func appendList(dst []byte, a *array.List, row, enough int) []byte {
	from, to := a.ValueOffsets(row)
	dst = append(dst, '[')
	for j := from; j < to && len(dst) <= enough; j++ {
		if j > from {
			dst = append(dst, ", "...)
		}
		dst = appendValue(dst, a.ListValues(), int(j), enough, true)
	}
	return append(dst, ']')
}
