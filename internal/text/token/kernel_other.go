//go:build !amd64

package token

// hasKernels reports that there are none for this machine.
var hasKernels = false

func (m *bitmaps) classifyBlocks(buf []byte, size int) (n int) { return 0 }

func (m *bitmaps) cutBlocks(n int, begins, ends []uint32, odd, oddEnd []uint8) (runs, stops int) {
	return 0, 0
}

func (m *bitmaps) lookBlocks(buf []byte) (n int) { return 0 }
