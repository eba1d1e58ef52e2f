package jetstream

import (
	"syscall"
	"testing"
)

// BenchmarkReceive receives a server's log over loopback, through the spool. The
// figures hold the server's work too.
func BenchmarkReceive(b *testing.B) {
	const events = 20_000
	f := newServer(b, 0)
	size := 0
	for i := range events {
		f.add(i)
		size += len(f.log[i].text)
	}
	c := testConfig(f)
	c.Collections, c.Spool.Fsync = nil, true
	cpu := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		r := start(b, b.TempDir(), c, nil, nil)
		r.read(events)
		r.stop()
	}
	spent := float64(cpu() - before)
	b.ReportMetric(spent/float64(b.N), "cpu-ns/op")
	b.ReportMetric(events*float64(b.N)*1e9/spent, "events/cpu-s")
}
