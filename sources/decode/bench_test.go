package decode_test

import (
	"bytes"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/slab"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// lines returns the first n lines of a file of posts, all for n < 0.
func lines(tb testing.TB, file string, n int) []byte {
	tb.Helper()
	var out bytes.Buffer
	for line := range realdata.Lines(tb, file) {
		if n == 0 {
			break
		}
		n--
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// chunks cuts lines into chunks of about 256 KiB.
func chunks(data []byte) []pipeline.Chunk {
	var out []pipeline.Chunk
	for off := 0; off < len(data); {
		end := min(off+256<<10, len(data))
		if n := bytes.IndexByte(data[end:], '\n'); n >= 0 {
			end += n + 1
		} else {
			end = len(data)
		}
		out = append(out, pipeline.Chunk{
			Origin: "bench", Offset: int64(off), Data: data[off:end], Records: bytes.Count(data[off:end], []byte("\n")),
		})
		off = end
	}
	return out
}

func benchmark(b *testing.B, format string, data []byte) {
	cfg := decode.Defaults()
	cfg.Format = format
	plan, err := decode.NewPlan(cfg, slab.New(64<<20))
	if err != nil {
		b.Fatal(err)
	}
	d, in, posts := plan.New(), chunks(data), 0
	emit := func(batch pipeline.Batch) error {
		if batch.Stream == pipeline.Posts {
			posts += batch.Rows()
		}
		batch.Record.Release()
		return nil
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		for i := range in {
			if err := d.Decode(b.Context(), &in[i], emit); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(posts), "ns/post")
}

// BenchmarkPlain decodes the first 100,000 real posts in our own format.
func BenchmarkPlain(b *testing.B) {
	benchmark(b, "plain", lines(b, realdata.Posts, 100_000))
}

// BenchmarkTwitterV1 decodes raw Twitter objects, of about 5.7 KB each.
func BenchmarkTwitterV1(b *testing.B) {
	benchmark(b, "twitter_v1", lines(b, "twitter_v11_test.jsonl.zst", -1))
}
