package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/jsonscan"
	"github.com/sluicehq/sluice/internal/spool"
)

var (
	errTooLarge = errors.New("the body is too large")
	errEncoding = errors.New("unknown Content-Encoding")
)

// maxWindow is what the levels of the zstd tool up to 19 need.
const maxWindow = 8 << 20

// readBody appends the body to dst, decompressed, up to limit bytes.
func readBody(dst []byte, r io.Reader, encoding string, limit int) ([]byte, error) {
	switch encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return dst, fmt.Errorf("gzip: %w", err)
		}
		r = z
	case "zstd":
		// The window is what a frame makes us allocate; the size is bounded below.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return dst, fmt.Errorf("zstd: %w", err)
		}
		defer z.Close()
		r = z
	default:
		return dst, fmt.Errorf("%w %q: use gzip or zstd, or none", errEncoding, encoding)
	}
	for len(dst) <= limit {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), limit+1)])
		dst = dst[:len(dst)+n]
		switch {
		case errors.Is(err, io.EOF):
			if len(dst) > limit {
				return dst, errTooLarge
			}
			return dst, nil
		case err != nil:
			if encoding != "" && encoding != "identity" {
				err = fmt.Errorf("%s: %w", encoding, err)
			}
			return dst, err
		}
	}
	return dst, errTooLarge
}

// bodyError says where a body is not what it should be.
type bodyError struct {
	record int // number of the record, from 1
	at     int // byte of the body
	what   string
}

func (e *bodyError) Error() string {
	return fmt.Sprintf("record %d, byte %d: %s; nothing of the body was taken", e.record, e.at, e.what)
}

// cut appends the records of a body to dst in the form of the spool. A body
// whose first character is [ is an array. With single, a body that is one JSON
// value is one record, however many lines it has; else records are lines.
func cut(dst, body []byte, single bool) (out []byte, records int, err error) {
	at := jsonscan.Space(body, 0)
	if at == len(body) {
		return dst, 0, nil
	}
	if body[at] == '[' {
		return cutArray(dst, body, at+1)
	}
	if single {
		if end, st := jsonscan.Skip(body, at, 0); !st.Failed() && jsonscan.Space(body, end) == len(body) {
			return spool.AppendRecord(dst, body[at:end]), 1, nil
		}
	}
	dst, records = cutLines(dst, body)
	return dst, records, nil
}

// cutLines leaves blank lines out and looks at nothing else.
func cutLines(dst, body []byte) (out []byte, records int) {
	for len(body) > 0 {
		line := body
		if i := bytes.IndexByte(body, '\n'); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			body = nil
		}
		if jsonscan.Space(line, 0) == len(line) {
			continue
		}
		dst = spool.AppendRecord(dst, line)
		records++
	}
	return dst, records
}

// cutArray cuts the array whose first element, or end, comes at body[i:].
func cutArray(dst, body []byte, i int) (out []byte, records int, err error) {
	fail := func(at int, what string) ([]byte, int, error) {
		return dst, 0, &bodyError{records + 1, at, what}
	}
	i = jsonscan.Space(body, i)
	if i < len(body) && body[i] == ']' {
		i++
	} else {
		for more := true; more; {
			end, st := jsonscan.Skip(body, i, 1)
			if st.Failed() {
				return fail(end, st.String())
			}
			dst = spool.AppendRecord(dst, body[i:end])
			records++
			i = jsonscan.Space(body, end)
			switch {
			case i == len(body):
				return fail(i, "the array has no end")
			case body[i] == ',':
				i = jsonscan.Space(body, i+1)
			case body[i] == ']':
				i, more = i+1, false
			default:
				return fail(i, "want a comma or the end of the array")
			}
		}
	}
	if i = jsonscan.Space(body, i); i != len(body) {
		return fail(i, "there is more after the array: send one array, or lines of objects")
	}
	return dst, records, nil
}
