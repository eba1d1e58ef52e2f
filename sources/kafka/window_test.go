package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/kafkatest"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/engine"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

// spy is a source that tells where its first chunk begins.
type spy struct {
	pipeline.Shared
	once  sync.Once
	first func(pipeline.Position)
}

func (s *spy) Read(ctx context.Context) (pipeline.Chunk, error) {
	c, err := s.Shared.Read(ctx)
	if err == nil {
		s.once.Do(func() { s.first(c.Span.From) })
	}
	return c, err
}

type spyPlan struct {
	pipeline.SharedPlan
	first func(pipeline.Position)
}

func (p spyPlan) New() (pipeline.Source, error) {
	src, err := p.SharedPlan.New()
	if err != nil {
		return nil, err
	}
	return &spy{Shared: src.(pipeline.Shared), first: p.first}, nil
}

// process is one run of a pipeline with a window, with a checkpoint folder of its own.
type process struct {
	yaml  string
	sink  *pipelinetest.MemorySink
	first pipeline.Position // where it began to read
}

// run ends when the sink has rows posts, as a kill would end it, or fails.
func (p *process) run(t *testing.T, rows int) error {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	source := Factory()
	inner := source.PlanSource
	source.PlanSource = func(bc pipeline.BuildContext, c any) (pipeline.SourcePlan, error) {
		plan, err := inner(bc, c)
		if err != nil {
			return nil, err
		}
		return spyPlan{plan.(pipeline.SharedPlan), func(at pipeline.Position) { p.first = at }}, nil
	}
	spec, err := config.Parse("test.yaml", []byte(p.yaml), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg, err := graph.NewRegistry([]pipeline.Factory{source}, []pipeline.Factory{pipelinetest.Sliding()}, []pipeline.Factory{p.sink.Factory()})
	if err != nil {
		t.Fatal(err)
	}
	build := func(checkpoint.Hash) (*graph.Graph, error) {
		return graph.Build(spec, graph.Options{Registry: reg, Mem: mem})
	}
	g, err := build("")
	if err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.Open(t.TempDir(), checkpoint.Options{Pipeline: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	manifest, err := store.PutManifest(checkpoint.Manifest{Config: []byte(`"test"`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	abort, kill := context.WithTimeout(context.Background(), time.Minute)
	defer kill()
	p.sink.After = func() error {
		if len(p.sink.Rows(pipeline.Posts)) >= rows {
			kill()
			return abort.Err()
		}
		return nil
	}
	err = engine.Run(context.Background(), engine.Options{
		Settings: engine.Settings{Workers: 2, EpochRows: 50, EpochInterval: 20 * time.Millisecond, RetryInitial: time.Millisecond, RetryMax: 50 * time.Millisecond, Lateness: time.Second},
		Graph:    g, Store: store, Manifest: manifest, Abort: abort, Rebuild: build,
	})
	if n := mem.CurrentAlloc(); n != 0 {
		t.Errorf("%d bytes of Arrow memory leaked", n)
	}
	if serr := p.sink.Err(); serr != nil {
		t.Error(serr)
	}
	return err
}

// TestWindowMoves has processes without a common disk read a partition one after
// another, each killed in an epoch: the next one builds the state of the steps from
// the last window, and the rows are those of one process.
func TestWindowMoves(t *testing.T) {
	b := kafkatest.Start(t)
	const posts, apart = 900, 500 // ms
	b.CreateTopic(t, "posts", 1, nil)
	r := rand.New(rand.NewPCG(1, 2))
	var ms []client.Message
	for i := range posts {
		at := int64(1_700_000_000_000) + int64(i)*apart + r.Int64N(1500)
		if i%20 == 3 {
			at -= r.Int64N(40_000) // late
		}
		ms = append(ms, kafkatest.Message("posts", 0, nil, fmt.Appendf(nil, `{"id":"p%d","created_at":%q,"author":{"id":"a%d"},"text":"word"}`,
			i, time.UnixMilli(at).UTC().Format(time.RFC3339Nano), r.IntN(6))))
	}
	b.Produce(t, ms...)
	yaml := func(group, first string) string {
		return fmt.Sprintf("pipeline: test\nsource: {kafka: {brokers: [%q], topics: [posts], group: %s, chunk_size: 4KiB, settings: {session.timeout.ms: \"6000\", heartbeat.interval.ms: \"500\"}}}\nsteps:\n"+
			"  - sliding: {window: 12s, threshold: 4%s}\n  - sliding: {name: second, column: again, sum: sliding, window: 8s, threshold: 15}\nsinks: [{memory: {}}]\n",
			strings.Split(b.Servers, ",")[0], group, first)
	}
	rows := func(s *pipelinetest.MemorySink) (out [pipeline.NumStreams][]string) {
		for i := range out {
			out[i] = s.Rows(pipeline.Stream(i))
		}
		return out
	}
	whole := &process{yaml: yaml("whole", ""), sink: &pipelinetest.MemorySink{}}
	if err := whole.run(t, posts); !errors.Is(err, engine.ErrAborted) {
		t.Fatal(err)
	}
	if n := len(whole.sink.Rows(pipeline.Detections)); n < 40 {
		t.Fatalf("%d detections show little", n)
	}
	for group, window := range map[string]bool{"windows": true, "none": false} {
		t.Run(group, func(t *testing.T) {
			steps := yaml(group, "")
			if !window {
				steps = yaml(group, ", declare: false")
			}
			sink := &pipelinetest.MemorySink{}
			for done := 300; done <= posts; done += 300 {
				p := &process{yaml: steps, sink: sink}
				before := len(sink.Rows(pipeline.Posts))
				if err := p.run(t, done); !errors.Is(err, engine.ErrAborted) {
					t.Fatal(err)
				}
				from, err := strconv.Atoi(string(p.first))
				if err != nil {
					t.Fatal(err)
				}
				// The steps look back 24 s, 48 posts, and some for what comes out of
				// order. The last epoch or two, of 50 posts, were not committed.
				if least, most := before-100-48-10-50, before-48; window && before > 0 && (from < least || from > most) {
					t.Errorf("with %d posts written the next process reads from %d on, want %d to %d", before, from, least, most)
				}
				if !window && from != 0 {
					t.Errorf("the next process reads from %d on, want the beginning", from)
				}
			}
			if d := cmp.Diff(rows(whole.sink), rows(sink)); d != "" {
				t.Errorf("rows differ from those of one process (-want +got):\n%.3000s", d)
			}
		})
	}
	t.Run("later", func(t *testing.T) {
		later := func(group string) string {
			return strings.Replace(yaml(group, ""), "chunk_size", "offsets: {posts/0: 100}, chunk_size", 1)
		}
		alone, shared := &pipelinetest.MemorySink{}, &pipelinetest.MemorySink{}
		if err := (&process{yaml: later("alone"), sink: alone}).run(t, posts-100); !errors.Is(err, engine.ErrAborted) {
			t.Fatal(err)
		}
		for _, done := range []int{1, posts - 100} { // the first one is killed in its first epoch
			p := &process{yaml: later("later"), sink: shared}
			if err := p.run(t, done); !errors.Is(err, engine.ErrAborted) {
				t.Fatal(err)
			}
			if p.first != "100" {
				t.Errorf("a partition that began at 100 is read from %s on", p.first)
			}
		}
		if d := cmp.Diff(rows(alone), rows(shared)); d != "" {
			t.Errorf("rows differ from those of one process (-want +got):\n%.3000s", d)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		b.NeedReal(t, "which deletes records")
		sink := &pipelinetest.MemorySink{}
		if err := (&process{yaml: yaml("deleted", ""), sink: sink}).run(t, 300); !errors.Is(err, engine.ErrAborted) {
			t.Fatal(err)
		}
		b.DeleteRecords(t, "posts", 0, int64(len(sink.Rows(pipeline.Posts))-110))
		err := (&process{yaml: yaml("deleted", ""), sink: sink}).run(t, posts)
		if err == nil || !strings.Contains(err.Error(), "for the state of its steps, but the broker's messages begin at") {
			t.Errorf("error %v", err)
		}
		skip := strings.Replace(yaml("deleted", ""), "chunk_size", "on_lost: skip, chunk_size", 1)
		if err := (&process{yaml: skip, sink: sink}).run(t, posts); !errors.Is(err, engine.ErrAborted) || len(sink.Rows(pipeline.Posts)) != posts {
			t.Errorf("%v, %d posts", err, len(sink.Rows(pipeline.Posts)))
		}
	})
}
