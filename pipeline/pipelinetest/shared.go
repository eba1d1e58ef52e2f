package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// Cluster is a source kind "shared" that several runs share: a pipeline.Shared
// over the lines of LinesSource in memory. Each source that is opened is a
// member; Shuffle divides the partitions among those that there are.
type Cluster struct {
	Partitions map[string][]string
	ChunkLines int // lines a chunk holds; 1 when zero

	// Before and After, when set, are called around what is recorded, offered
	// and fetched; their errors are returned. After an error of After it is
	// done, as when an answer is lost.
	Before, After func() error

	mu       sync.Mutex
	progress map[string]pipeline.Recorded
	objects  map[string][]byte
	holders  map[string]*member // who may record
	members  []*member
	err      error
	fetched  int
	gains    []Gain

	moving sync.Mutex // held while partitions move
}

// Factory returns the source's factory.
func (c *Cluster) Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{Name: "shared", Summary: "Lines from memory, shared."},
		func() noConfig { return noConfig{} },
		func(bc pipeline.BuildContext, _ *noConfig) (pipeline.SourcePlan, error) {
			return clusterPlan{c, bc.Mem}, nil
		})
}

type clusterPlan struct {
	c   *Cluster
	mem memory.Allocator
}

func (p clusterPlan) Decode() pipeline.DecodePlan   { return linesDecodePlan{p.mem} }
func (p clusterPlan) New() (pipeline.Source, error) { return &member{c: p.c}, nil }

// Done reports whether all lines are durable.
func (c *Cluster) Done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, lines := range c.Partitions {
		if p := c.progress[name]; p.Committed != position(len(lines)) || len(p.Pending) > 0 {
			return false
		}
	}
	return true
}

// Records returns how many lines are durable.
func (c *Cluster) Records() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.Partitions {
		n += number(c.progress[name].Committed)
	}
	return n
}

// Err returns the first breach of the contract by an engine.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Gain is a partition that a member was given.
type Gain struct {
	Partition string
	Recorded  pipeline.Recorded
	Resume    pipeline.Resume
}

// Gains returns what the members were given, and from where they read it.
func (c *Cluster) Gains() []Gain {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.gains)
}

// Fetched returns how many objects were fetched.
func (c *Cluster) Fetched() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched
}

// Shuffle takes partitions from their members, each within a deadline, and gives
// them to others: with probability move each, and those without a member always.
func (c *Cluster) Shuffle(r *rand.Rand, move float64, deadline time.Duration) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	members := slices.Clone(c.members)
	lose, gain := map[*member][]string{}, map[*member][]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Partitions)) {
		old := c.holders[name]
		if old != nil && r.Float64() >= move {
			continue
		}
		if old != nil {
			lose[old] = append(lose[old], name)
		}
		if len(members) > 0 {
			to := members[r.Intn(len(members))]
			gain[to] = append(gain[to], name)
		}
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for m, names := range lose {
		wg.Go(func() { m.lose(deadline, names) })
	}
	wg.Wait()
	for m, names := range gain {
		wg.Go(func() { m.gain(names) })
	}
	wg.Wait()
}

// member is one opened source.
type member struct {
	c     *Cluster
	owner pipeline.Owner

	mu    sync.Mutex
	wake  chan struct{}
	names []string
	at    map[string]int
	until map[string][]int
	term  map[string]uint64
}

func (m *member) Join(o pipeline.Owner) { m.owner = o }

func (m *member) Open(_ context.Context, resume map[string]pipeline.Resume) error {
	if len(resume) > 0 {
		return errors.New("a shared source was given positions")
	}
	m.wake, m.at, m.until, m.term = make(chan struct{}, 1), map[string]int{}, map[string][]int{}, map[string]uint64{}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	m.c.members = append(m.c.members, m)
	return nil
}

// Close gives all partitions up.
func (m *member) Close(context.Context) error {
	m.c.mu.Lock()
	m.c.members = slices.DeleteFunc(m.c.members, func(o *member) bool { return o == m })
	m.c.mu.Unlock()
	m.c.moving.Lock()
	defer m.c.moving.Unlock()
	m.lose(time.Second, slices.Clone(m.names))
	return nil
}

func (m *member) lose(deadline time.Duration, names []string) {
	m.mu.Lock()
	m.names = slices.DeleteFunc(m.names, func(n string) bool { return slices.Contains(names, n) })
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	m.owner.Lose(ctx, names)
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for _, n := range names {
		delete(m.c.holders, n)
	}
}

func (m *member) gain(names []string) {
	m.c.mu.Lock()
	claims := map[string]pipeline.Recorded{}
	if m.c.holders == nil {
		m.c.holders = map[string]*member{}
	}
	for _, n := range names {
		claims[n], m.c.holders[n] = m.c.progress[n], m
	}
	m.c.mu.Unlock()
	resume, err := m.owner.Gain(context.Background(), claims)
	if err != nil { // the run has ended, or ends
		m.owner.Lose(context.Background(), names)
		m.c.mu.Lock()
		defer m.c.mu.Unlock()
		for _, n := range names {
			delete(m.c.holders, n)
		}
		return
	}
	m.c.mu.Lock()
	for _, n := range names {
		m.c.gains = append(m.c.gains, Gain{n, claims[n], resume[n]})
	}
	m.c.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range names {
		r := resume[n]
		m.term[n], m.until[n] = r.Term, nil
		m.at[n] = number(r.From)
		for _, u := range r.Until {
			m.until[n] = append(m.until[n], number(u))
		}
		m.names = append(m.names, n)
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func number(p pipeline.Position) int {
	n, _ := strconv.Atoi(string(p)) //nolint:errcheck // the empty one is 0
	return n
}

func (m *member) Read(ctx context.Context) (pipeline.Chunk, error) {
	for ctx.Err() == nil {
		if c, ok := m.next(); ok {
			return c, nil
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
		}
	}
	return pipeline.Chunk{}, ctx.Err()
}

// next makes a chunk of the partitions in turn.
func (m *member) next() (c pipeline.Chunk, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range m.names {
		name := m.names[0]
		m.names = append(m.names[1:], name)
		lines, from := m.c.Partitions[name], m.at[name]
		if from == len(lines) {
			continue
		}
		to := min(from+max(1, m.c.ChunkLines), len(lines))
		if u := m.until[name]; len(u) > 0 && to >= u[0] {
			to, m.until[name] = u[0], u[1:]
		}
		m.at[name] = to
		c = linesChunk(name, lines, from, to)
		c.Term = m.term[name]
		return c, true
	}
	return c, false
}

func (m *member) Commit(context.Context, string, pipeline.Position) error {
	return errors.New("Commit of a shared source")
}

// around calls do between Before and After.
func (c *Cluster) around(do func() error) error {
	if c.Before != nil {
		if err := c.Before(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	err := do()
	c.mu.Unlock()
	if err == nil && c.After != nil {
		err = c.After()
	}
	return err
}

func (m *member) Record(_ context.Context, name string, p pipeline.Recorded) error {
	return m.c.around(func() error {
		if m.c.holders[name] != m && m.c.err == nil {
			m.c.err = fmt.Errorf("partition %q was recorded by a member that does not have it", name)
		}
		for _, in := range p.Pending {
			if _, ok := m.c.objects[in.Manifest]; !ok && m.c.err == nil {
				m.c.err = fmt.Errorf("partition %q: an epoch was recorded whose manifest was not offered", name)
			}
		}
		if m.c.progress == nil {
			m.c.progress = map[string]pipeline.Recorded{}
		}
		m.c.progress[name] = p
		return nil
	})
}

func (m *member) Offer(_ context.Context, hash string, contents []byte) error {
	return m.c.around(func() error {
		if m.c.objects == nil {
			m.c.objects = map[string][]byte{}
		}
		m.c.objects[hash] = slices.Clone(contents)
		return nil
	})
}

func (m *member) Fetch(_ context.Context, hash string) (data []byte, err error) {
	err = m.c.around(func() error {
		var ok bool
		if data, ok = m.c.objects[hash]; !ok {
			return fmt.Errorf("object %s: %w", hash, fs.ErrNotExist)
		}
		m.c.fetched++
		return nil
	})
	return data, err
}
