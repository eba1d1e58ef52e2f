package embedded

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/chdb"
)

// frameBytes is how much of a result goes into one compressed block.
const frameBytes = 1 << 20

// output writes a response. It holds the first bytes back, so that a query that
// fails soon gets an error status and a query that ends soon gets its counters
// in the headers; with wait_end_of_query it holds all of them, past the buffer
// in a file.
type output struct {
	w         http.ResponseWriter
	req       *request
	format    string
	started   time.Time
	stats     chdb.Stats
	tmpDir    string
	held      []byte
	spool     *os.File
	committed bool
	tag       string // of an exception in mid-stream

	body    io.Writer      // w, or encoded into it
	encoder io.WriteCloser // Content-Encoding
	framer  *compress.Writer
}

func newOutput(w http.ResponseWriter, r *http.Request, req *request, tmpDir string) *output {
	o := &output{w: w, req: req, tmpDir: tmpDir, started: time.Now(), tag: newTag(), body: w}
	h := w.Header()
	h.Set("X-ClickHouse-Query-Id", req.queryID)
	h.Set("X-ClickHouse-Server-Display-Name", displayName)
	h.Set("X-ClickHouse-Exception-Tag", o.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if req.compress {
		o.framer = newFramer(req)
	} else if req.httpCompression {
		h.Set("Vary", "Accept-Encoding")
		o.setEncoder(r.Header.Get("Accept-Encoding"))
	}
	return o
}

// newTag is what marks an exception within a result as one: data cannot know it.
func newTag() string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	var tag [16]byte
	for i := range tag {
		tag[i] = letters[rand.IntN(len(letters))]
	}
	return string(tag[:])
}

func newFramer(req *request) *compress.Writer {
	switch req.method {
	case "ZSTD":
		return compress.NewWriter(compress.Level(req.zstdLevel), compress.ZSTD)
	case "NONE":
		return compress.NewWriter(0, compress.None)
	}
	return compress.NewWriter(0, compress.LZ4)
}

// setEncoder picks the content encoding, the cheapest first.
func (o *output) setEncoder(accept string) {
	for _, name := range [...]string{"zstd", "gzip", "deflate"} {
		if !acceptsEncoding(accept, name) {
			continue
		}
		switch name {
		case "zstd":
			// One goroutine and a small window: results are read on the same machine.
			enc, err := zstd.NewWriter(o.w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			if err != nil {
				continue
			}
			o.encoder = enc
		case "gzip":
			o.encoder, _ = gzip.NewWriterLevel(o.w, gzip.BestSpeed)
		case "deflate":
			o.encoder, _ = zlib.NewWriterLevel(o.w, zlib.BestSpeed)
		}
		o.w.Header().Set("Content-Encoding", name)
		o.body = o.encoder
		return
	}
}

func acceptsEncoding(accept, name string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), name) {
			q := strings.ReplaceAll(weight, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

// setFormat says what the result is in, before anything of it is written.
func (o *output) setFormat(format string) {
	o.format = format
	o.w.Header().Set("X-ClickHouse-Format", format)
	o.w.Header().Set("Content-Type", contentType(format))
}

// Write takes a part of the result.
func (o *output) Write(p []byte) (int, error) {
	if o.committed {
		return len(p), o.send(p)
	}
	if o.spool == nil && len(o.held)+len(p) <= o.req.bufferSize {
		o.held = append(o.held, p...)
		return len(p), nil
	}
	if !o.req.waitEnd {
		if err := o.commit(); err != nil {
			return 0, err
		}
		return len(p), o.send(p)
	}
	if o.spool == nil {
		f, err := os.CreateTemp(o.tmpDir, "sluice-result-")
		if err != nil {
			return 0, fmt.Errorf("hold the result for wait_end_of_query: %w", err)
		}
		// Nameless from here on: it is gone with the process, whatever happens.
		_ = os.Remove(f.Name())
		o.spool = f
	}
	n, err := o.spool.Write(p)
	if err != nil {
		return n, fmt.Errorf("hold the result for wait_end_of_query: %w", err)
	}
	return n, nil
}

// commit sends the headers and what was held back.
func (o *output) commit() error {
	o.committed = true
	o.w.Header().Set("X-ClickHouse-Summary", summary(o.stats, time.Since(o.started)))
	o.w.WriteHeader(http.StatusOK)
	held := o.held
	o.held = nil
	if err := o.send(held); err != nil {
		return err
	}
	if o.spool == nil {
		return nil
	}
	if _, err := o.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(o.spool, frameBytes)
	buf := make([]byte, frameBytes)
	for {
		n, err := io.ReadFull(in, buf)
		if sendErr := o.send(buf[:n]); sendErr != nil {
			return sendErr
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send writes p through the compression that was asked for.
func (o *output) send(p []byte) error {
	for len(p) > 0 {
		part := p
		if o.framer != nil {
			part = p[:min(len(p), frameBytes)]
			if err := o.framer.Compress(part); err != nil {
				return err
			}
			if _, err := o.body.Write(o.framer.Data); err != nil {
				return err
			}
		} else if _, err := o.body.Write(part); err != nil {
			return err
		}
		p = p[len(part):]
	}
	return nil
}

// finish ends a result that is whole.
func (o *output) finish() error {
	defer o.release()
	if !o.committed {
		if o.spool == nil && o.encoder == nil && o.framer == nil {
			o.w.Header().Set("Content-Length", strconv.Itoa(len(o.held)))
		}
		if o.encoder != nil && len(o.held) == 0 && o.spool == nil {
			// An empty body has no encoding.
			o.w.Header().Del("Content-Encoding")
			o.encoder, o.body = nil, o.w
			o.w.Header().Set("Content-Length", "0")
		}
		if err := o.commit(); err != nil {
			return err
		}
	}
	if o.encoder != nil {
		return o.encoder.Close()
	}
	return nil
}

// fail ends a response with an exception: as an error status while nothing was
// sent, else as a marked block after which the connection is broken off, so
// that nobody takes the part for the whole.
func (o *output) fail(e *exception) {
	defer o.release()
	if !o.committed {
		o.w.Header().Del("Content-Encoding")
		writeException(o.w, e)
		return
	}
	// As WriteBufferFromHTTPServerResponse does.
	text := e.text
	if len(text) > 15<<10 {
		text = text[:15<<10]
	}
	block := fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", o.tag, text, len(text), o.tag)
	_, _ = io.WriteString(o.body, block)
	if o.encoder != nil {
		_ = o.encoder.Close()
	}
	_ = http.NewResponseController(o.w).Flush()
	panic(http.ErrAbortHandler)
}

func (o *output) release() {
	if o.spool != nil {
		_ = o.spool.Close()
		o.spool = nil
	}
	o.held = nil
}

// writeException answers a request of which nothing was answered yet.
func writeException(w http.ResponseWriter, e *exception) {
	h := w.Header()
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	status := httpStatus(e.code)
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="ClickHouse server HTTP API"`)
	}
	h.Set("Content-Length", strconv.Itoa(len(e.text)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, e.text+"\n")
}

// summary is the value of X-ClickHouse-Summary. Counts are strings there.
func summary(s chdb.Stats, elapsed time.Duration) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d",`+
		`"total_rows_to_read":"0","result_rows":"%d","result_bytes":"%d","elapsed_ns":"%d"}`,
		s.ReadRows, s.ReadBytes, s.WrittenRows, s.WrittenBytes, s.ResultRows, s.ResultBytes, elapsed.Nanoseconds())
}
