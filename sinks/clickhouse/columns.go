package clickhouse

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/sluicehq/sluice/pipeline"
)

// column is one column of a stream as it goes into its table.
type column struct {
	index int         // position in the records of the stream
	field arrow.Field // name, Arrow type, nullability
	ddl   string      // ClickHouse type that the sink creates it with

	// omittable tells that the table puts in the Arrow column's zero (null, if
	// it is nullable) by itself where an INSERT leaves the column out.
	omittable bool
}

// storedColumns lists the columns of schema. types overrides the ClickHouse type of columns by name.
func storedColumns(schema *arrow.Schema, types map[string]string) ([]column, error) {
	var out []column
	for i, f := range schema.Fields() {
		if err := checkColumnName(f.Name); err != nil {
			return nil, err
		}
		ddl, err := clickhouseType(f.Type, f.Nullable)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		if ddl == "String" && fewValues(f.Name) {
			ddl = "LowCardinality(String)"
		}
		if want, ok := types[f.Name]; ok {
			if !compatible(want, ddl) {
				return nil, fmt.Errorf("columns.%s: type %s cannot hold the pipeline's %s; write %s, or leave the entry out",
					f.Name, want, f.Type, suggestType(ddl))
			}
			ddl = want
		}
		out = append(out, column{index: i, field: f, ddl: ddl})
	}
	return out, nil
}

// fewValues reports whether a column that steps add has few values: a table has
// them as numbers then.
func fewValues(name string) bool { return name == pipeline.ColLanguage }

// maxColumnName bounds a column's name, in bytes.
const maxColumnName = 128

// checkColumnName refuses names that cannot be quoted into a statement.
func checkColumnName(name string) error {
	if name == "" || len(name) > maxColumnName {
		return fmt.Errorf("column %q: a stored column's name has 1 to %d bytes", name, maxColumnName)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c == '`' || c == '\\' || c == '?' || c < ' ' || c == 0x7f:
			return fmt.Errorf("column %q: a stored column's name has no quotes, backslashes, question marks or control characters", name)
		}
	}
	return nil
}

// clickhouseType returns the type that a column of Arrow type dt is created
// with.
func clickhouseType(dt arrow.DataType, nullable bool) (string, error) {
	if l, ok := dt.(*arrow.ListType); ok {
		if _, nested := l.Elem().(*arrow.ListType); nested {
			return "", fmt.Errorf("type %s: lists of lists are not stored", dt)
		}
		elem, err := clickhouseType(l.Elem(), l.ElemField().Nullable)
		return "Array(" + elem + ")", err
	}
	t, err := scalarType(dt)
	if err == nil && nullable {
		t = "Nullable(" + t + ")"
	}
	return t, err
}

func scalarType(dt arrow.DataType) (string, error) {
	switch t := dt.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return "String", nil
	case *arrow.BooleanType:
		return "Bool", nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type:
		return fmt.Sprintf("Int%d", t.(arrow.FixedWidthDataType).BitWidth()), nil
	case *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		return fmt.Sprintf("UInt%d", t.(arrow.FixedWidthDataType).BitWidth()), nil
	case *arrow.Float32Type:
		return "Float32", nil
	case *arrow.Float64Type:
		return "Float64", nil
	case *arrow.TimestampType:
		return fmt.Sprintf("DateTime64(%d, 'UTC')", 3*int(t.Unit)), nil
	}
	return "", fmt.Errorf("type %s is not stored in ClickHouse; mark the column transient or convert it in a step", dt)
}

// compatible reports whether a table's column of type have takes the values of
// a column that the sink would create as want, without changing any of them:
// LowCardinality and the time zone do not matter, and a column may be Nullable
// where the pipeline's is not.
func compatible(have, want string) bool {
	have, want = plainType(have), plainType(want)
	if inner, ok := unwrap(have, "Nullable"); ok && !strings.HasPrefix(want, "Nullable(") {
		have = inner
	}
	return have == want
}

// plainType drops what does not change a type's values: spaces,
// LowCardinality and time zones.
func plainType(t string) string {
	t = strings.ReplaceAll(t, " ", "")
	for {
		i := strings.Index(t, "LowCardinality(")
		if i < 0 {
			break
		}
		end := closing(t, i+len("LowCardinality("))
		if end < 0 {
			return t
		}
		t = t[:i] + t[i+len("LowCardinality("):end] + t[end+1:]
	}
	if i := strings.Index(t, "DateTime64("); i >= 0 {
		start := i + len("DateTime64(")
		end := closing(t, start)
		if end < 0 {
			return t
		}
		precision, _, _ := strings.Cut(t[start:end], ",")
		t = t[:start] + precision + t[end:]
	}
	return t
}

// closing returns the position of the parenthesis that closes the one before
// start, or -1.
func closing(t string, start int) int {
	depth := 1
	for i := start; i < len(t); i++ {
		switch t[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// unwrap returns the argument of the type constructor name.
func unwrap(t, name string) (string, bool) {
	inner, ok := strings.CutPrefix(t, name+"(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return t, false
	}
	return inner[:len(inner)-1], true
}

func suggestType(ddl string) string {
	if ddl == "String" {
		return "String or LowCardinality(String)"
	}
	return ddl
}

// quoteName quotes an identifier, dots included: a Nested element such as
// hits.list is a column of that name.
func quoteName(name string) string { return "`" + name + "`" }

// quoteNames quotes and joins the columns' names.
func quoteNames(cols []column) string {
	var b strings.Builder
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteName(c.field.Name))
	}
	return b.String()
}
