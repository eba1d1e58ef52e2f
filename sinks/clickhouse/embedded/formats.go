package embedded

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A joiner makes one document of the pieces that the engine formats one by
// one, each as if it were alone. It returns the part of the piece to send.
// first says that nothing was sent before.
type joiner struct {
	header func(piece []byte) int // length of what only the first piece keeps
	tail   []byte                 // what each piece ends with and the document ends with once
}

// join cuts piece; ok is false if it does not look as the format promises.
func (j *joiner) join(piece []byte, first bool) (out []byte, ok bool) {
	if len(j.tail) > 0 {
		if !bytes.HasSuffix(piece, j.tail) {
			return nil, false
		}
		piece = piece[:len(piece)-len(j.tail)]
	}
	if first || j.header == nil {
		return piece, true
	}
	n := j.header(piece)
	if n < 0 {
		return nil, false
	}
	return piece[n:], true
}

// streamJoiner returns how pieces of a format are joined, or nil for a format
// that only makes sense as a whole (JSON, Parquet, Pretty, ...): that is built
// in the engine's memory, within the limit for results.
func streamJoiner(format string) *joiner {
	switch strings.ToLower(format) {
	case "native", "rowbinary", "msgpack", "null", "lineasstring", "rawblob",
		"tsv", "tabseparated", "tsvraw", "tabseparatedraw", "raw", "csv", "tskv",
		"jsoneachrow", "jsonlines", "ndjson", "jsonstringseachrow", "jsoncompacteachrow", "jsoncompactstringseachrow":
		return &joiner{}
	case "tsvwithnames", "tabseparatedwithnames", "tsvrawwithnames", "tabseparatedrawwithnames", "rawwithnames",
		"jsoncompacteachrowwithnames", "jsoncompactstringseachrowwithnames":
		return &joiner{header: func(p []byte) int { return lines(p, 1) }}
	case "tsvwithnamesandtypes", "tabseparatedwithnamesandtypes", "tsvrawwithnamesandtypes",
		"tabseparatedrawwithnamesandtypes", "rawwithnamesandtypes",
		"jsoncompacteachrowwithnamesandtypes", "jsoncompactstringseachrowwithnamesandtypes":
		return &joiner{header: func(p []byte) int { return lines(p, 2) }}
	case "csvwithnames":
		return &joiner{header: func(p []byte) int { return csvLines(p, 1) }}
	case "csvwithnamesandtypes":
		return &joiner{header: func(p []byte) int { return csvLines(p, 2) }}
	case "rowbinarywithnames":
		return &joiner{header: func(p []byte) int { return binaryHeader(p, 1) }}
	case "rowbinarywithnamesandtypes":
		return &joiner{header: func(p []byte) int { return binaryHeader(p, 2) }}
	case "arrowstream":
		return &joiner{header: arrowSchema, tail: []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}}
	}
	return nil
}

// lines is the length of the first n lines of p, or -1.
func lines(p []byte, n int) int {
	at := 0
	for range n {
		end := bytes.IndexByte(p[at:], '\n')
		if end < 0 {
			return -1
		}
		at += end + 1
	}
	return at
}

// csvLines is lines for CSV, where a quoted name may hold line breaks.
func csvLines(p []byte, n int) int {
	quoted := false
	for i, c := range p {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\n' && !quoted:
			if n--; n == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// binaryHeader is the length of RowBinary's header: a count, and as many
// strings for each of the sets (names, types), or -1.
func binaryHeader(p []byte, sets int) int {
	columns, at := binary.Uvarint(p)
	if at <= 0 || columns > uint64(len(p)) {
		return -1
	}
	for range columns * uint64(sets) {
		n, k := binary.Uvarint(p[at:])
		if k <= 0 || n > uint64(len(p)-at-k) {
			return -1
		}
		at += k + int(n)
	}
	return at
}

// arrowSchema is the length of the schema message that an Arrow IPC stream
// starts with: a continuation mark, a length, and that many bytes of metadata
// (a schema has no body).
func arrowSchema(p []byte) int {
	if len(p) < 8 || binary.LittleEndian.Uint32(p) != 0xffffffff {
		return -1
	}
	n := int64(binary.LittleEndian.Uint32(p[4:])) + 8
	if n > int64(len(p)) {
		return -1
	}
	return int(n)
}

// contentType is what ClickHouse says a format's media type is.
func contentType(format string) string {
	f := strings.ToLower(format)
	switch {
	case f == "json" || f == "jsoncompact" || f == "jsonstrings" || f == "jsoncompactstrings" || f == "jsoncolumns" ||
		f == "jsoncolumnswithmetadata" || f == "jsonobjecteachrow" || f == "jsoncompactcolumns":
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(f, "json") || f == "ndjson":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(f, "csvwithnames"):
		return "text/csv; charset=UTF-8; header=present"
	case f == "csv":
		return "text/csv; charset=UTF-8; header=absent"
	case f == "" || strings.HasPrefix(f, "tsv") || strings.HasPrefix(f, "tabseparated"):
		return "text/tab-separated-values; charset=UTF-8"
	case f == "xml":
		return "application/xml; charset=UTF-8"
	case strings.HasPrefix(f, "pretty") || f == "vertical" || f == "markdown" || f == "values" || f == "sqlinsert" ||
		f == "tskv" || f == "lineasstring":
		return "text/plain; charset=UTF-8"
	}
	return "application/octet-stream"
}
