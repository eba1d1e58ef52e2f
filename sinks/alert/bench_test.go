package alert

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkWrite writes epochs of 1,000 detections in 50 groups.
func BenchmarkWrite(b *testing.B) {
	in := newReceiver(b)
	cfg := testConfig(b, map[string]Target{"hook": webhook(in.URL)})
	cfg.GroupWait, cfg.GroupInterval = time.Hour, time.Hour
	r := opened(b, cfg)
	var rows []row
	for i := range 1000 {
		rows = append(rows, det(fmt.Sprintf("r%d", i%50), fmt.Sprintf("a%d", i), i, "spans.start", []uint32{5}, "spans.end", []uint32{12}))
	}
	epoch := batches(b, rows...)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if err := r.Write(b.Context(), testKey(n), epoch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/1000, "ns/detection")
}
