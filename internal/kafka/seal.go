package kafka

import (
	"encoding/binary"
	"hash/crc32"
)

// sealMark ends what was sealed, behind its sum.
const sealMark = "SLC1"

// sealBytes is how many bytes a seal has.
const sealBytes = 4 + len(sealMark)

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Seal appends a sum (CRC-32C) and a mark to a message that one part of a
// pipeline writes for another: so what is damaged, or was written by something
// else, is known before it is given to a reader that trusts its input.
func Seal(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, sum(b)), sealMark...)
}

// Unseal returns what was sealed; ok is false when that is not what it is.
func Unseal(b []byte) (value []byte, ok bool) {
	n := len(b) - sealBytes
	if n < 0 || string(b[n+4:]) != sealMark {
		return nil, false
	}
	return b[:n], binary.LittleEndian.Uint32(b[n:]) == sum(b[:n])
}
