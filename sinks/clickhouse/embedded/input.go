package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Bounds of one block of ClickHouse's own compression: the writer's is what
// ch-go accepts, a statement's text fits the analyst's.
const (
	maxFrameWriter  = 128 << 20
	maxFrameAnalyst = 4 << 20
)

// decodeBody undoes the Content-Encoding and the block compression of a
// request's body, as it is read. close releases the decoders.
func decodeBody(body io.Reader, encoding string, frames bool, maxFrame int) (r io.Reader, closeBody func(), err error) {
	r, closeBody = body, func() {}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(body)
	case "deflate":
		r, err = zlib.NewReader(body)
	case "zstd":
		var dec *zstd.Decoder
		dec, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20),
			zstd.WithDecoderLowmem(true))
		if err == nil {
			r, closeBody = dec, dec.Close
		}
	case "br":
		r = brotli.NewReader(body)
	case "lz4":
		r = lz4.NewReader(body)
	default:
		return nil, nil, exceptionf(codeUnknownCompressor, "UNKNOWN_COMPRESSION_METHOD",
			"Content-Encoding %.40q is not one of gzip, deflate, zstd, br, lz4", encoding)
	}
	if err != nil {
		return nil, nil, exceptionf(codeCannotDecompress, "CANNOT_DECOMPRESS", "the request's body (%.40s): %v", encoding, err)
	}
	if frames {
		r = newFrameReader(r, maxFrame)
	}
	return r, closeBody, nil
}

// frameReader reads ClickHouse's compressed blocks: 16 bytes of checksum, a
// method, the compressed size with its own 9 bytes of header, the raw size, the
// data. It checks the sizes before anything is allocated for them.
type frameReader struct {
	src     io.Reader
	max     int
	frame   bytes.Reader // the current block, handed to blocks
	blocks  *compress.Reader
	buf     []byte
	pending int // raw bytes of the current block not read yet
	err     error
}

const (
	frameChecksum = 16
	frameHeader   = 9
)

func newFrameReader(src io.Reader, maxFrame int) *frameReader {
	f := &frameReader{src: src, max: maxFrame}
	f.blocks = compress.NewReader(&f.frame)
	return f
}

// Read implements io.Reader. A body may end after any whole block.
func (f *frameReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.pending == 0 {
		if f.err == nil {
			f.err = f.fill()
		}
		if f.err != nil {
			return 0, f.err
		}
	}
	n, err := f.blocks.Read(p[:min(len(p), f.pending)])
	f.pending -= n
	if err != nil && n == 0 {
		f.err = badFrame(err)
		return 0, f.err
	}
	return n, nil
}

// fill reads the next block into memory.
func (f *frameReader) fill() error {
	head := make([]byte, frameChecksum+frameHeader)
	if _, err := io.ReadFull(f.src, head); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return badFrame(err)
	}
	packed := int(binary.LittleEndian.Uint32(head[frameChecksum+1:]))
	raw := int(binary.LittleEndian.Uint32(head[frameChecksum+5:]))
	if packed < frameHeader || packed > f.max || raw > f.max {
		return badFrame(fmt.Errorf("sizes %d and %d are not within %d bytes", packed, raw, f.max))
	}
	// Grown as the data comes: a size is only a claim.
	f.buf = append(f.buf[:0], head...)
	left := packed - frameHeader
	for left > 0 {
		n := min(left, frameBytes)
		at := len(f.buf)
		f.buf = append(f.buf, make([]byte, n)...)
		if _, err := io.ReadFull(f.src, f.buf[at:]); err != nil {
			return badFrame(err)
		}
		left -= n
	}
	f.frame.Reset(f.buf)
	f.pending = raw
	if raw == 0 {
		// Nothing will be read from the block: drop it.
		f.frame.Reset(nil)
	}
	return nil
}

func badFrame(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &bodyError{exceptionf(codeCannotDecompress, "CANNOT_DECOMPRESS", "the request's compressed blocks: %v", err)}
}

// bodyError is an error of the client's data, as opposed to the engine's.
type bodyError struct{ e *exception }

func (b *bodyError) Error() string { return b.e.text }
func (b *bodyError) Unwrap() error { return b.e }

// readStatement gathers the statement from the URL and the body. For an INSERT
// with data it reads no more of the body than is needed to see that; the rest,
// which the data goes on with, is left in rest.
func readStatement(query string, body io.Reader) (text string, st statement, rest io.Reader, err error) {
	in := body
	if query != "" {
		in = io.MultiReader(strings.NewReader(query+"\n"), body)
	}
	buf := make([]byte, 0, 4<<10)
	parsed := 0
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil && !errors.Is(err, io.EOF) {
			return "", statement{}, nil, readFailed(err)
		}
		atEOF := err != nil
		if len(buf) > maxQueryBytes {
			// Without its data: an INSERT whose data has begun is recognized in far less.
			if st, ok := parseStatement(string(buf), false); ok {
				return string(buf), st, in, nil
			}
			return "", statement{}, nil, exceptionf(codeSyntaxError, "SYNTAX_ERROR",
				"the statement is longer than %d bytes; send data as the data of an INSERT", maxQueryBytes)
		}
		// Looked at again only when it has doubled: the work stays linear.
		if !atEOF && len(buf) < 2*parsed {
			continue
		}
		parsed = len(buf)
		text := string(buf)
		if st, ok := parseStatement(text, atEOF); ok {
			if st.inlineValues && atEOF {
				// Small enough to be a statement: expressions and parameters work.
				st = statement{kind: kindOther, sql: text, inlineValues: true}
			}
			return text, st, in, nil
		}
	}
}

// readFailed is the error of a body that could not be read to its end.
func readFailed(err error) error {
	var body *bodyError
	if errors.As(err, &body) {
		return body.e
	}
	return exceptionf(codeReceiveFailed, "NETWORK_ERROR", "the request's body ended early: %v", err)
}
