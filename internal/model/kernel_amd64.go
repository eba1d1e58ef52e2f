package model

import (
	"golang.org/x/sys/cpu"

	"github.com/sluicehq/sluice/internal/text"
)

// hasKernels reports whether the machine has the instructions of the kernels:
// AVX-512 with its parts VL, BW, DQ, VBMI and VBMI2. Without them plain Go gives the same.
var hasKernels = cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT && cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2

// The kinds of tokens that locateAVX512 knows: what uses has, as numbers.
const (
	kindWord    = int(text.Word)    //nolint:unused // the kernel uses it
	kindHashtag = int(text.Hashtag) //nolint:unused // the kernel uses it
	kindMention = int(text.Mention) //nolint:unused // the kernel uses it
	kindURL     = int(text.URL)     //nolint:unused // the kernel uses it
	kindEmail   = int(text.Email)   //nolint:unused // the kernel uses it
)

// finishAVX2 makes n rows of sums into probabilities, n > 0, by way of rows, and
// notes which are least or more.
//
//go:noescape
func finishAVX2(f *fast, sums *[MaxHeads]int32, inv *float32, n int, rows *[block][MaxHeads]float32, out *[MaxHeads][block]float32, least *[MaxHeads]float32, reached *[block]uint8)

// finish makes the sums of the first n posts of the block into probabilities,
// and notes which are least or more.
func (s *Scorer) finish(n int, least *[MaxHeads]float32) {
	if !hasKernels || n <= 0 {
		s.finishPlain(n, least)
		return
	}
	finishAVX2(&s.m.fast, &s.sum[0], &s.inv[0], n, &s.parts.rows, &s.out, least, &s.reached)
}

// piecesAVX512 adds the weights of the pieces of a word of size bytes, 1 to
// longBytes, valid UTF-8, for pieces of at most 5 characters. The sums may have up
// to 3 times no weights in them; n is with these. It writes to at, and returns
// n = 0 for a word that has more characters than are cut, or some of 4 bytes, for
// pieces are of at most 16.
//
//go:noescape
func piecesAVX512(table *uint64, word *byte, size int, at *[72]uint8, least, most int, shift uint) (even, odd, n uint64)

// pieces adds the packed weights of the pieces of a word.
func (s *Scorer) pieces(word []byte) (even, odd, n uint64) {
	f := &s.m.card.Features
	if hasKernels && len(word) > 0 && len(word) <= longBytes && f.PieceMax <= 5 {
		even, odd, n = piecesAVX512(&s.m.table[0], &word[0], len(word), &s.spelt.at, f.PieceMin, f.PieceMax, s.m.shift)
		if n > 0 {
			return even, odd, n
		}
	}
	return s.piecesPlain(word)
}
