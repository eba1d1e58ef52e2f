package disguise

// detectAVX2 reports whether the machine has AVX2.
func detectAVX2() bool

var hasAVX2 = detectAVX2()

// consts are the constants of masksAVX2, 32 bytes each.
//
//nolint:unused // by Go; the assembly reads it
var consts = func() (c [17 * 32]byte) {
	fill := func(i int, f func(lane int) byte) {
		for j := range 32 {
			c[32*i+j] = f(j & 15)
		}
	}
	for i, b := range []byte{0x20, 'a', 25, '0', 9, 0xfe, 0xd0, 0xc0, 0x80} {
		fill(i, func(int) byte { return b })
	}
	// A symbol of ASCII has a bit that both its nibbles have: that of the high
	// one, 2 to 7.
	fill(9, func(low int) (b byte) {
		for high := 2; high < 8; high++ {
			if isSymbolByte(byte(high<<4 | low)) {
				b |= 1 << (high - 2)
			}
		}
		return b
	})
	fill(10, func(high int) byte {
		if high < 2 || high > 7 {
			return 0
		}
		return 1 << (high - 2)
	})
	fill(11, func(int) byte { return 0xf })
	for i, b := range []byte("/@_#!") {
		fill(12+i, func(int) byte { return b })
	}
	return c
}()

//go:noescape
func masksAVX2(p *byte, n int, out *masks)

// masksOf sets out[:n] for the n blocks that text begins with. The text has two
// bytes more than these.
func masksOf(text []byte, n int, out []masks) {
	if n == 0 {
		return
	}
	_, _ = text[64*n+1], out[n-1]
	if hasAVX2 {
		masksAVX2(&text[0], n, &out[0])
		return
	}
	masksGo(text, n, out)
}
