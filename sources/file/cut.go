package file

import (
	"bytes"
	"errors"
	"io"
)

// pool keeps buffers of one size. Larger ones, for long lines, are left to the
// garbage collector.
type pool struct {
	size int
	free chan []byte
}

func newPool(size int) *pool { return &pool{size: size, free: make(chan []byte, ahead+4)} }

// get returns a buffer of at least n bytes.
func (p *pool) get(n int) []byte {
	if n > p.size {
		return make([]byte, n)
	}
	select {
	case b := <-p.free:
		return b
	default:
		return make([]byte, p.size)
	}
}

func (p *pool) put(b []byte) {
	if len(b) != p.size {
		return
	}
	select {
	case p.free <- b:
	default:
	}
}

// errNoMore says that there is no whole line and the reader is at its end.
var errNoMore = errors.New("no more input")

// cutter cuts a stream into pieces of whole lines.
type cutter struct {
	pool  *pool
	max   int  // the longest line, without its end
	eager bool // hand lines on as they come: the input is a pipe

	buf  []byte
	n    int   // bytes in buf
	base int64 // offset of buf[0] in the stream

	// In a line longer than max, buf holds its first max+1 bytes, and this many
	// were dropped after them.
	long    bool
	dropped int64
	scratch []byte
}

// piece is what a cutter yields: data lies at offset from of the stream and
// what follows it at to. That is more than the length of data if the end of a
// long line was dropped. Whoever has the piece gives buf back to the pool.
type piece struct {
	buf, data []byte
	from, to  int64
}

// next returns the next piece; it does not go beyond limit, if limit lies
// ahead. At the reader's end it returns errNoMore, or the reader's error where
// that is not io.EOF; what is left then is a line without an end, see rest.
func (c *cutter) next(r io.Reader, limit int64) (piece, error) {
	if c.buf == nil {
		c.buf = c.pool.get(0)
	}
	for {
		if c.long {
			return c.skipLong(r)
		}
		err := c.fill(r)
		end := bytes.LastIndexByte(c.buf[:c.n], '\n') + 1
		if limit > c.base && limit <= c.base+int64(c.n) {
			end = int(limit - c.base)
		}
		switch {
		case end > 0: // an error comes again with the next read
			return c.take(end, c.base+int64(end), c.buf[end:c.n]), nil
		case c.n > c.max:
			c.long, c.dropped = true, int64(c.n-c.max-1)
			c.n = c.max + 1
		case errors.Is(err, io.EOF):
			return piece{}, errNoMore
		case err != nil:
			return piece{}, err
		default:
			grown := c.pool.get(min(2*len(c.buf), max(c.max+1, c.pool.size)))
			copy(grown, c.buf[:c.n])
			c.pool.put(c.buf)
			c.buf = grown
		}
	}
}

// fill reads until the buffer is full; an eager cutter only until there is a
// line.
func (c *cutter) fill(r io.Reader) error {
	for idle := 0; c.n < len(c.buf); {
		n, err := r.Read(c.buf[c.n:])
		if err != nil {
			c.n += n
			return err
		}
		if n == 0 {
			if idle++; idle > 100 {
				return io.ErrNoProgress
			}
			continue
		}
		fresh := c.buf[c.n : c.n+n]
		c.n += n
		if c.eager && bytes.IndexByte(fresh, '\n') >= 0 {
			return nil
		}
	}
	return nil
}

// take yields the first end bytes of the buffer as a piece that reaches to
// offset to, and goes on with the bytes of left.
func (c *cutter) take(end int, to int64, left []byte) piece {
	p := piece{buf: c.buf, data: c.buf[:end], from: c.base, to: to}
	c.buf = c.pool.get(len(left))
	c.n = copy(c.buf, left)
	c.base = to
	c.long, c.dropped = false, 0
	return p
}

// skipLong drops the rest of a long line and returns its beginning.
func (c *cutter) skipLong(r io.Reader) (piece, error) {
	if c.scratch == nil {
		c.scratch = make([]byte, 64<<10)
	}
	for idle := 0; ; {
		n, err := r.Read(c.scratch)
		if i := bytes.IndexByte(c.scratch[:n], '\n'); i >= 0 {
			to := c.base + int64(c.n) + c.dropped + int64(i) + 1
			return c.take(c.n, to, c.scratch[i+1:n]), nil
		}
		c.dropped += int64(n)
		if err == io.EOF {
			return piece{}, errNoMore
		}
		if err != nil {
			return piece{}, err
		}
		if idle++; n > 0 {
			idle = 0
		} else if idle > 100 {
			return piece{}, io.ErrNoProgress
		}
	}
}

// rest returns what is left at the end of the stream: a line without an end.
func (c *cutter) rest() (piece, bool) {
	if c.n == 0 {
		return piece{}, false
	}
	return c.take(c.n, c.base+int64(c.n)+c.dropped, nil), true
}

// reset begins anew at an offset of a stream; what is held is forgotten.
func (c *cutter) reset(offset int64) {
	c.n, c.base, c.long, c.dropped = 0, offset, false, 0
}

// pending is the number of bytes that were read and not yielded.
func (c *cutter) pending() int64 { return int64(c.n) + c.dropped }

// close gives the buffer back.
func (c *cutter) close() {
	if c.buf != nil {
		c.pool.put(c.buf)
		c.buf = nil
	}
}
