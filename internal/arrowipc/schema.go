package arrowipc

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kind is a type of columns that can be read.
type Kind uint8

// The kinds. The first one is all types that are only passed over.
const (
	Other     Kind = iota
	Utf8           // Utf8
	Int64          // Int, 64 bits, signed
	Float64        // FloatingPoint, double
	Bool           // Bool
	Timestamp      // Timestamp, milliseconds, UTC
	Utf8List       // List of Utf8
)

// Field is a top-level column of a stream.
type Field struct {
	Name string
	Kind Kind
	Type string // as people write it, such as "int32" or "timestamp[us]"

	// Where it begins among the nodes and the buffers of a record batch.
	node, buffer int
}

// Bounds on a schema. Its fields are counted with those that are nested in others.
const (
	maxFields = 4096
	maxDepth  = 16
)

// Types of Schema.fbs, in the union's order.
const (
	typeNull = iota + 1
	typeInt
	typeFloat
	typeBinary
	typeUtf8
	typeBool
	typeDecimal
	typeDate
	typeTime
	typeTimestamp
	typeInterval
	typeList
	typeStruct
	typeUnion
	typeFixedBinary
	typeFixedList
	typeMap
	typeDuration
	typeLargeBinary
	typeLargeUtf8
	typeLargeList
	typeRunEnd
	numTypes
)

var typeNames = [numTypes]string{
	typeNull: "null", typeInt: "int", typeFloat: "float", typeBinary: "binary", typeUtf8: "utf8", typeBool: "bool",
	typeDecimal: "decimal", typeDate: "date", typeTime: "time", typeTimestamp: "timestamp", typeInterval: "interval",
	typeList: "list", typeStruct: "struct", typeUnion: "union", typeFixedBinary: "fixed_size_binary",
	typeFixedList: "fixed_size_list", typeMap: "map", typeDuration: "duration", typeLargeBinary: "large_binary",
	typeLargeUtf8: "large_utf8", typeLargeList: "large_list", typeRunEnd: "run_end_encoded",
}

// buffers has how many buffers an array of each type has, without its children's.
var buffers = [numTypes]int{
	typeNull: 0, typeInt: 2, typeFloat: 2, typeBinary: 3, typeUtf8: 3, typeBool: 2, typeDecimal: 2, typeDate: 2,
	typeTime: 2, typeTimestamp: 2, typeInterval: 2, typeList: 2, typeStruct: 1, typeUnion: -1, typeFixedBinary: 2,
	typeFixedList: 1, typeMap: 2, typeDuration: 2, typeLargeBinary: 3, typeLargeUtf8: 3, typeLargeList: 2, typeRunEnd: 0,
}

// layout walks a schema and counts nodes and buffers.
type layout struct {
	flat
	version        int16
	nodes, buffers int
}

// schema reads the schema that stands at table.
func (l *layout) schema(table int) ([]Field, error) {
	if l.short(table, 0, 0) != 0 {
		return nil, errors.New("the data is big-endian")
	}
	first, n := l.vector(table, 1, 4)
	var out []Field
	for i := range n {
		node, buffer := l.nodes, l.buffers
		kind, name, err := l.array(l.follow(first+4*i), 0)
		if err == nil && l.bad {
			err = errCut
		}
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		text := l.text(l.follow(first+4*i), 0)
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("field %d: its name is not UTF-8", i)
		}
		out = append(out, Field{Name: string(text), Kind: kind, Type: name, node: node, buffer: buffer})
	}
	if l.bad {
		return nil, errCut
	}
	return out, nil
}

var errCut = errors.New("an offset leads beyond the metadata")

// array takes the nodes and buffers of a field and of those in it.
func (l *layout) array(field, depth int) (Kind, string, error) {
	id := int(l.byte(field, 2))
	if l.bad {
		return 0, "", errCut
	}
	if id < typeNull || id >= numTypes {
		return 0, "", fmt.Errorf("type %d of Arrow is not read: views and later types are not", id)
	}
	if l.nodes++; l.nodes > maxFields || depth > maxDepth {
		return 0, "", fmt.Errorf("more than %d fields, or %d levels of them", maxFields, maxDepth)
	}
	if l.field(field, 4) > 0 { // in the batch are the indexes only
		l.buffers += 2
		return Other, "dictionary", nil
	}
	own := buffers[id]
	if id == typeUnion {
		if l.version < version5 {
			return 0, "", errors.New("unions of metadata before V5 are not read")
		}
		own = 1 + int(l.short(l.table(field, 3), 0, 0)&1) // dense ones have offsets
	}
	l.buffers += own
	kind, name := l.kind(id, l.table(field, 3))
	first, n := l.vector(field, 5, 4)
	for i := range n {
		inner, innerName, err := l.array(l.follow(first+4*i), depth+1)
		if err != nil {
			return 0, "", err
		}
		if id == typeList {
			name = "list<" + innerName + ">"
			if inner == Utf8 {
				kind = Utf8List
			}
		}
	}
	if id == typeList && n != 1 {
		return 0, "", fmt.Errorf("a list of %d children", n)
	}
	return kind, name, nil
}

// kind tells the types apart that are read.
func (l *layout) kind(id, table int) (Kind, string) {
	name := typeNames[id]
	if table == 0 {
		return Other, name
	}
	switch id {
	case typeUtf8:
		return Utf8, name
	case typeBool:
		return Bool, name
	case typeInt:
		width, signed := l.int(table, 0), l.byte(table, 1) != 0
		if signed && width == 64 {
			return Int64, "int64"
		}
		return Other, fmt.Sprintf("%sint%d", map[bool]string{false: "u"}[signed], width)
	case typeFloat:
		if p := l.short(table, 0, 0); p != 2 {
			return Other, map[int16]string{0: "float16", 1: "float32"}[p]
		}
		return Float64, "float64"
	case typeTimestamp:
		unit, zone := l.short(table, 0, 0), l.text(table, 1)
		if unit == 1 && string(zone) == "UTC" {
			return Timestamp, "timestamp[ms, UTC]"
		}
		name := "timestamp[" + map[int16]string{0: "s", 1: "ms", 2: "us", 3: "ns"}[unit]
		if len(zone) > 0 {
			name += ", " + string(zone[:min(len(zone), 40)])
		}
		return Other, name + "]"
	}
	return Other, name
}
