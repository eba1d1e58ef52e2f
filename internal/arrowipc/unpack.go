package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs of Message.fbs.
const (
	codecNone = -1
	codecLZ4  = 0
	codecZstd = 1
)

// unpacker unpacks the buffers of a stream, into memory that it uses again for
// the next stream, and sees to it that no buffer serves for two: a small stream
// would be a large batch then.
type unpacker struct {
	left   int // bytes that may be unpacked still
	limit  int
	stream int // length of the stream
	taken  int // bytes of all buffers that were looked at
	mem    []byte
	lz4    *lz4.Reader
	zstd   *zstd.Decoder
}

// keep is how much memory is kept for the next stream.
const keep = 4 << 20

func (u *unpacker) begin(limit, stream int) {
	u.left, u.limit, u.stream, u.taken = limit, limit, stream, 0
	if cap(u.mem) > keep {
		u.mem = nil
	}
	u.mem = u.mem[:0]
}

// count takes note of a buffer of n bytes. Buffers that do not overlap have as
// much together as there is in the stream and as was unpacked, at the most.
func (u *unpacker) count(n int) error {
	if u.taken += n; u.taken > u.stream+u.limit-u.left {
		return errors.New("buffers overlap")
	}
	return nil
}

// buffer unpacks a buffer: its length, unpacked, as 64 bits, then a frame of
// the codec; or, of length -1, the bytes as they are.
func (u *unpacker) buffer(codec int, b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("a packed buffer of %d bytes", len(b))
	}
	size, b := int64(binary.LittleEndian.Uint64(b)), b[8:]
	switch {
	case size == -1:
		return b, nil
	case size < 0:
		return nil, fmt.Errorf("a packed buffer of %d bytes", size)
	case size > int64(u.left):
		return nil, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrTooLarge, u.limit)
	}
	u.left -= int(size)
	dst := u.take(int(size))
	var err error
	if codec == codecLZ4 {
		err = u.unLZ4(dst, b)
	} else {
		err = u.unZstd(dst, b)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	return dst, nil
}

// take returns n bytes. What it returned before stays as it is.
func (u *unpacker) take(n int) []byte {
	if n > cap(u.mem)-len(u.mem) {
		u.mem = make([]byte, 0, max(n, 2*cap(u.mem), 64<<10))
	}
	from := len(u.mem)
	u.mem = u.mem[:from+n]
	return u.mem[from : from+n : from+n]
}

func (u *unpacker) unLZ4(dst, b []byte) error {
	if u.lz4 == nil {
		u.lz4 = lz4.NewReader(nil)
	}
	u.lz4.Reset(bytes.NewReader(b))
	if _, err := io.ReadFull(u.lz4, dst); err != nil {
		return err
	}
	var more [1]byte
	if n, err := u.lz4.Read(more[:]); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("it goes on after the %d bytes that it should have (%w)", len(dst), err)
	}
	return nil
}

func (u *unpacker) unZstd(dst, b []byte) error {
	if u.zstd == nil {
		var err error
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(u.limit, 1<<20))), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
	}
	out, err := u.zstd.DecodeAll(b, dst[:0]) // not beyond dst's capacity
	if err == nil && len(out) != len(dst) {
		err = fmt.Errorf("%d bytes, and not the %d that it should have", len(out), len(dst))
	}
	return err
}
