package clickhouse

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/pipeline"
)

// benchFields are the columns that decode and the analysis of a post leave.
func benchFields() []arrow.Field { return extraFields()[:9] }

// realEpochs returns epochs of rows posts each from the real data, in batches
// of batch rows.
func realEpochs(tb testing.TB, epochs, rows, batch int) [][]pipeline.Batch {
	tb.Helper()
	lines, stop := iter.Pull(realdata.Lines(tb, realdata.Posts))
	defer stop()
	schema := pipeline.PostsSchema(benchFields()...)
	f := newFiller(7)
	var out [][]pipeline.Batch
	for range epochs {
		var in []pipeline.Batch
		for left := rows; left > 0; left -= batch {
			in = append(in, pipeline.Batch{Record: realRecord(tb, lines, f, schema, min(batch, left)), Stream: pipeline.Posts})
		}
		out = append(out, in)
	}
	return out
}

func realRecord(tb testing.TB, lines func() ([]byte, bool), f *filler, schema *arrow.Schema, rows int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range rows {
		line, ok := lines()
		if !ok {
			tb.Fatal("there are fewer real posts")
		}
		var post struct {
			ID, Text, Lang, Kind string
			CreatedAt            string `json:"created_at"`
			Author               struct {
				ID, Handle           string
				Followers, Following *int64
			}
		}
		if err := json.Unmarshal(line, &post); err != nil {
			tb.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, strings.Replace(post.CreatedAt, " ", "T", 1))
		if err != nil {
			tb.Fatal(err)
		}
		words := strings.Fields(post.Text)
		for i, field := range schema.Fields() {
			switch fb := b.Field(i).(type) {
			case *array.StringBuilder:
				fb.Append(map[string]string{
					"id": post.ID, "text": post.Text, "lang": post.Lang, "kind": post.Kind, "author_id": post.Author.ID,
					"author_handle": post.Author.Handle, "platform": "made-up", "source": realdata.Posts,
				}[field.Name])
			case *array.TimestampBuilder:
				if field.Nullable {
					fb.AppendNull()
				} else {
					fb.Append(arrow.Timestamp(at.UnixMilli()))
				}
			case *array.ListBuilder:
				fb.Append(true)
				realList(fb, field.Name, words)
			case *array.Int64Builder:
				if field.Nullable && post.Author.Followers == nil {
					fb.AppendNull()
				} else if field.Nullable {
					fb.Append(*post.Author.Followers)
				} else {
					fb.Append(int64(i))
				}
			default:
				f.value(fb, field, 0)
			}
		}
	}
	return b.NewRecord()
}

func realList(b *array.ListBuilder, name string, words []string) {
	prefix := map[string]string{"urls": "http", "hashtags": "#", "mentions": "@", "url_domains": "http"}[name]
	if prefix == "" {
		return
	}
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			b.ValueBuilder().(*array.StringBuilder).Append(w)
		}
	}
}

// BenchmarkWrite stores epochs of 65,536 real posts (28 columns) in the
// embedded engine, which is another process: the CPU time of each is given,
// the engine's with the merges that happen meanwhile.
func BenchmarkWrite(b *testing.B) {
	const rows = 65536
	off := func(c *Config) { c.Rollups = false }
	for _, bench := range []struct {
		name   string
		batch  int
		way    inserter
		change func(*Config)
	}{
		{"rollups/batch=1024", 1024, insertArrow(memory.DefaultAllocator, "none"), nil},
		{"rollups/batch=65536", rows, insertArrow(memory.DefaultAllocator, "none"), nil},
		{"plain/batch=1024", 1024, insertArrow(memory.DefaultAllocator, "none"), off},
		{"plain/batch=65536", rows, insertArrow(memory.DefaultAllocator, "none"), off},
		{"plain/lz4", 1024, insertArrow(memory.DefaultAllocator, "lz4"), off},
		{"plain/native", 1024, insertNative, off},
		{"plain/text index", 1024, insertArrow(memory.DefaultAllocator, "none"), func(c *Config) { c.Rollups, c.TextIndex = false, true }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			epochs := realEpochs(b, 8, rows, bench.batch)
			schemas := pipeline.Schemas{epochs[0][0].Record.Schema()}
			cfg := testConfig(b)
			if bench.change != nil {
				bench.change(&cfg)
			}
			s := openSink(b, cfg, schemas)
			s.insert = bench.way
			b.ReportAllocs()
			cpu, own := processCPU(b, sharedEngine.engine.PID()), processCPU(b, os.Getpid())
			n := 0
			for b.Loop() {
				mustWrite(b, s, testKey(n), epochs[n%len(epochs)])
				n++
			}
			total := float64(n * rows)
			b.ReportMetric(total/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric((processCPU(b, os.Getpid())-own).Seconds()/total*1e6, "own-core-s/Mrow")
			b.ReportMetric((processCPU(b, sharedEngine.engine.PID())-cpu).Seconds()/total*1e6, "engine-core-s/Mrow")
		})
	}
}

// processCPU is the CPU time that a process has used, on Linux; 0 elsewhere.
func processCPU(tb testing.TB, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, sys int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &sys); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(user+sys) * 10 * time.Millisecond // USER_HZ is 100
}
