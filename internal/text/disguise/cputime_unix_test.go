//go:build unix

package disguise

import (
	"syscall"
	"testing"
)

// cpuTime reports the processor time of an operation: that of the wall is worth
// little on shared machines.
func cpuTime(b *testing.B, f func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	f()
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
}
