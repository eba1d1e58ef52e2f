package model

import "testing"

// TestWithoutKernels runs what compares scores with the plain loop on a machine
// without the kernels' instructions.
func TestWithoutKernels(t *testing.T) {
	if !hasKernels {
		t.Skip("this machine has no AVX-512, so all tests are of this")
	}
	hasKernels = false
	defer func() { hasKernels = true }()
	t.Run("blocks", blocks)
	t.Run("sums", TestSums)
	t.Run("cache", TestSameCache)
	t.Run("allocation", TestNoAllocation)
}
