package token

import "golang.org/x/sys/cpu"

// hasKernels reports whether the machine has the instructions of the kernels:
// AVX-512 with VBMI2, as servers have since Ice Lake and Zen 4. Without them
// the plain Go of the same names' callers does the work: a profile showed it at
// a third of the whole, and nothing else in reach of the aim.
var hasKernels = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VBMI2 && cpu.X86.HasPOPCNT

// classifyAVX512 fills bitmaps for n blocks of 64 bytes, n > 0: words, of ASCII
// and of most letters of Cyrillic, Arabic and Hangul, lead, the first bytes of the
// other characters beyond ASCII, sign, which bytes make a run odd that begins
// there, joint, which make one odd that ends there, and special, which is all 0
// before, of Han and kana. It reads two bytes of buf behind the blocks, and returns
// what is not 0 where a bit of special is not.
//
//go:noescape
func classifyAVX512(buf *byte, n int, words, lead, sign, joint, special *byte) (marked uint64)

// cutAVX512 writes where runs begin and end in n blocks, n > 0, and what sign and
// joint have there. It returns how many begin and end. Each output has room for
// 64 more.
//
//go:noescape
func cutAVX512(words, rows, sign, joint *byte, n int, begins, ends *uint32, odd, oddEnd *uint8) (runs, stops int)

// classifyBlocks is the kernel's part of classify: it fills words, lead, sign,
// joint and special for the blocks of buf[:size] behind which buf has two bytes
// more, and returns how many these are.
func (m *bitmaps) classifyBlocks(buf []byte, size int) (n int) {
	if !hasKernels {
		return 0
	}
	n = min(size/64, (len(buf)-2)/64)
	if n <= 0 {
		return 0
	}
	m.lead, m.sign, m.joint = sized(m.lead, 8*n), sized(m.sign, 8*n), sized(m.joint, 8*n)
	marked := classifyAVX512(&buf[:64*n+2][0], n, &m.words[:8*n][0], &m.lead[0], &m.sign[0], &m.joint[0], &m.special[:8*n][0])
	m.marked = m.marked || marked != 0
	return n
}

// cutBlocks is the kernel's part of cut, for the first n blocks. The slices have
// room for what is in them, and for 64 more.
func (m *bitmaps) cutBlocks(n int, begins, ends []uint32, odd, oddEnd []uint8) (runs, stops int) {
	if n == 0 {
		return 0, 0
	}
	return cutAVX512(&m.words[:8*n][0], &m.rows[:8*n][0], &m.sign[:8*n][0], &m.joint[:8*n][0], n, &begins[0], &ends[0], &odd[0], &oddEnd[0])
}

// lookRuns writes the hashes of n runs of buf, n > 0, and joins oddEnd to odd. It
// reads 16 bytes of buf behind the last run.
//
//go:noescape
func lookRuns(buf *byte, n int, begins, ends *uint32, hash *uint64, odd, oddEnd *uint8)

// lookBlocks is the kernel's part of look, for runs that end within the blocks
// that the kernels did and 16 bytes or more before the end of buf: it returns how
// many these are.
func (m *bitmaps) lookBlocks(buf []byte) (n int) {
	n = min(m.stops, len(m.begins))
	for n > 0 && int(m.ends[n-1])+16 > len(buf) {
		n--
	}
	if n > 0 {
		lookRuns(&buf[0], n, &m.begins[0], &m.ends[:n][0], &m.hash[:n][0], &m.odd[:n][0], &m.oddEnd[:n][0])
	}
	return n
}
