package spool

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The bodies of frames. Numbers are little endian.
//
//	head:  'H' "sluice1" id:8 base:8 n:4 n×{key:32 digest:8 records:4 end:8}
//	entry: 'E' first:8 records:4 key:32 digest:8 records×{length:uvarint bytes}
const (
	kindHead  = 'H'
	kindEntry = 'E'
	magic     = "sluice1"

	frameLen  = 8 // length and checksum
	entryLen  = 1 + 8 + 4 + 32 + 8
	headLen   = 1 + len(magic) + 8 + 8 + 4
	memberLen = 32 + 8 + 4 + 8

	// maxBody bounds the body of a frame.
	maxBody = 512 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is the first frame of a segment.
type head struct {
	id, base uint64
	keys     []remembered
}

// entry is what was appended by one call.
type entry struct {
	first   uint64 // number of the first record
	records uint32
	key     Key
	digest  uint64
	data    []byte // see AppendRecord
}

func (e *entry) keyed() bool { return e.key != Key{} }

// AppendRecord appends a record to the data of an entry.
func AppendRecord(dst, rec []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(rec))), rec...)
}

// cutRecord returns the first record of data and what follows it.
func cutRecord(data []byte) (rec, rest []byte, ok bool) {
	n, w := binary.Uvarint(data)
	if w <= 0 || n > uint64(len(data)-w) {
		return nil, nil, false
	}
	return data[w : w+int(n)], data[w+int(n):], true
}

func newID() (uint64, error) {
	var b [8]byte
	_, err := rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func appendHead(b *bytes.Buffer, h head) {
	body := make([]byte, 0, headLen+len(h.keys)*memberLen)
	body = append(append(body, kindHead), magic...)
	body = binary.LittleEndian.AppendUint64(body, h.id)
	body = binary.LittleEndian.AppendUint64(body, h.base)
	body = binary.LittleEndian.AppendUint32(body, uint32(len(h.keys)))
	for _, k := range h.keys {
		body = append(body, k.key[:]...)
		body = binary.LittleEndian.AppendUint64(body, k.digest)
		body = binary.LittleEndian.AppendUint32(body, k.records)
		body = binary.LittleEndian.AppendUint64(body, k.end)
	}
	var pre [frameLen]byte
	binary.LittleEndian.PutUint32(pre[:], uint32(len(body)))
	binary.LittleEndian.PutUint32(pre[4:], crc32.Checksum(body, castagnoli))
	b.Write(pre[:])
	b.Write(body)
}

// appendEntryHead appends everything of an entry's frame but its data.
func appendEntryHead(dst []byte, e *entry) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameLen)...)
	dst = append(dst, kindEntry)
	dst = binary.LittleEndian.AppendUint64(dst, e.first)
	dst = binary.LittleEndian.AppendUint32(dst, e.records)
	dst = append(dst, e.key[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, e.digest)
	sum := crc32.Update(crc32.Checksum(dst[at+frameLen:], castagnoli), castagnoli, e.data)
	binary.LittleEndian.PutUint32(dst[at:], uint32(entryLen+len(e.data)))
	binary.LittleEndian.PutUint32(dst[at+4:], sum)
	return dst
}

// frames reads a segment frame by frame.
type frames struct {
	in   *bufio.Reader
	at   int64 // of the next frame
	size int64 // of the file, as far as it may be read
	body []byte
}

func newFrames(r io.Reader, size int64) *frames {
	return &frames{in: bufio.NewReaderSize(r, 128<<10), size: size}
}

var errTorn = errors.New("a frame that is not whole")

// next reads the body of the next frame; it is good until the next call.
func (f *frames) next() ([]byte, error) {
	var pre [frameLen]byte
	if f.size-f.at < frameLen {
		return nil, errTorn
	}
	if _, err := io.ReadFull(f.in, pre[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(pre[:]))
	if n > f.size-f.at-frameLen || n > maxBody { // so nothing larger than the file is allocated
		return nil, errTorn
	}
	if int64(cap(f.body)) < n {
		f.body = make([]byte, n)
	}
	f.body = f.body[:n]
	if _, err := io.ReadFull(f.in, f.body); err != nil {
		return nil, err
	}
	if crc32.Checksum(f.body, castagnoli) != binary.LittleEndian.Uint32(pre[4:]) {
		return nil, errors.New("a checksum does not match")
	}
	f.at += frameLen + n
	return f.body, nil
}

func (f *frames) head() (h head, err error) {
	b, err := f.next()
	if err != nil {
		return h, err
	}
	if len(b) < headLen || b[0] != kindHead || string(b[1:1+len(magic)]) != magic {
		return h, errors.New("not a segment of this version")
	}
	b = b[1+len(magic):]
	h.id, h.base = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	n := binary.LittleEndian.Uint32(b[16:])
	b = b[20:]
	if int64(n)*memberLen != int64(len(b)) {
		return h, fmt.Errorf("a head of %d keys has %d bytes for them", n, len(b))
	}
	for ; len(b) > 0; b = b[memberLen:] {
		k := remembered{digest: binary.LittleEndian.Uint64(b[32:]), records: binary.LittleEndian.Uint32(b[40:]), end: binary.LittleEndian.Uint64(b[44:])}
		copy(k.key[:], b)
		h.keys = append(h.keys, k)
	}
	return h, nil
}

// entry reads the next entry; its data is good until the next call. Its records
// are known to be as many as it says.
func (f *frames) entry() (e entry, err error) {
	b, err := f.next()
	if err != nil {
		return e, err
	}
	if len(b) < entryLen || b[0] != kindEntry {
		return e, errors.New("not an entry")
	}
	e.first, e.records = binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint32(b[9:])
	copy(e.key[:], b[13:])
	e.digest, e.data = binary.LittleEndian.Uint64(b[45:]), b[entryLen:]
	n := uint32(0)
	for rest := e.data; len(rest) > 0; n++ {
		_, more, ok := cutRecord(rest)
		if !ok {
			return e, errors.New("the records of an entry do not fit it")
		}
		rest = more
	}
	if n != e.records || n == 0 || e.first+uint64(n) < e.first {
		return e, fmt.Errorf("an entry of %d records holds %d", e.records, n)
	}
	return e, nil
}
