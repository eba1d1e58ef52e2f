package listfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// readCSV reads a file with a header.
func readCSV(data []byte, f Format, to Handler) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	header, err := r.Read()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			failCSV(err, to)
		}
		return
	}
	where, ok := readHeader(header, f, to)
	if !ok {
		return
	}
	fields := make([]string, len(where))
	for !to.Full() {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			failCSV(err, to)
			return
		}
		line, _ := r.FieldPos(0)
		if where[0] >= len(rec) {
			to.Fail(line, "%d fields, but the column %s is number %d; add the missing commas", len(rec), f.Columns[0], where[0]+1)
			continue
		}
		for c, i := range where {
			if fields[c] = ""; i >= 0 && i < len(rec) {
				fields[c] = strings.TrimSpace(rec[i])
			}
		}
		to.Row(line, fields)
	}
}

// readHeader returns where the columns of the format are; -1 is one that the
// file lacks.
func readHeader(header []string, f Format, to Handler) (where []int, ok bool) {
	where = slices.Repeat([]int{-1}, len(f.Columns))
	ok = true
	for i, h := range header {
		h = strings.ToLower(strings.TrimSpace(h))
		c := slices.Index(f.Columns, h)
		switch {
		case c < 0:
			to.Ignore(strings.Clone(h))
		case where[c] >= 0:
			to.Fail(1, "the column %q is there twice; delete one", h)
			ok = false
		default:
			where[c] = i
		}
	}
	if where[0] < 0 {
		to.Fail(1, "no column %q in the header %.200q; name the column with each %s so, or use a .txt file", f.Columns[0], strings.Join(header, ","), f.Entry)
		ok = false
	}
	return where, ok
}

// failCSV notes an error of the CSV reader with its line.
func failCSV(err error, to Handler) {
	var e *csv.ParseError
	if errors.As(err, &e) {
		to.Fail(e.Line, "%v; quote fields that hold quotes or commas", e.Err)
		return
	}
	to.Fail(0, "%v", err)
}
