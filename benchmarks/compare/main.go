// Command compare measures Sluice beside plain ClickHouse SQL: the same posts,
// the same work, the same engine, in one run, in turn. It prints a table of
// medians and ratios, and writes it to a file with -write.
//
// Rows, by the letters of docs/performance.md:
//
//	A  decode, fold, tokenize, SimHash, 10,000 whole-word terms; discarded.
//	B  the same, stored in the embedded engine.
//
// The peer is the same engine (libchdb), warm, that reads the same file by its
// file() function. Ours is timed as a whole process, start-up included.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "measured rounds of each, after one that warms up")
	posts := flag.String("posts", "", "JSON lines file in the plain format, not compressed; default: SLUICE_DATA's, else synthetic posts")
	write := flag.String("write", "", "write the table to this file too")
	flag.Parse()
	if err := run(context.Background(), *rounds, *posts, *write); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, posts, write string) error {
	dir, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	in, err := prepare(dir, posts)
	if err != nil {
		return err
	}
	peer, err := startPeer(ctx, dir, in)
	if err != nil {
		return err
	}
	defer peer.stop()
	ours, err := newOurs(dir, in, peer)
	if err != nil {
		return err
	}

	const set, substring = "ClickHouse SQL, set form", "ClickHouse SQL, substring form"
	store := func(kind string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) { return ours.store(ctx, kind) }
	}
	same := func(kind string) func(context.Context) (time.Duration, error) {
		return func(ctx context.Context) (time.Duration, error) {
			database, err := ours.database(ctx, kind)
			if err != nil {
				return 0, err
			}
			return peer.insertSame(ctx, database)
		}
	}
	contests := []*contest{
		{name: "A. discarded", peer: set, ours: ours.discard, theirs: peer.selectSet},
		{name: "A. discarded", peer: substring, ours: ours.discard, theirs: peer.selectSubstring},
		{name: "B. stored in the posts table", peer: set + ", into the same table", ours: store("norollups"), theirs: same("norollups")},
		{name: "B. stored in the posts table", peer: set + ", into a table of the 12 columns that it fills", ours: store("norollups"), theirs: peer.insertPlain},
		{name: "B. stored, with rollups", peer: set + ", into the same tables, with rollups", ours: store("rollups"), theirs: same("rollups")},
	}
	for round := range rounds + 1 {
		for _, c := range contests {
			if err := c.round(ctx, round > 0); err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, c.peer, err)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round, rounds)
	}
	table := report(in, rounds, contests)
	fmt.Print(table)
	if write != "" {
		return os.WriteFile(write, []byte(table), 0o644)
	}
	return nil
}

// contest is one row of the table: two ways to do one piece of work.
type contest struct {
	name, peer   string
	ours, theirs func(context.Context) (time.Duration, error)
	took         [2][]time.Duration
}

// round runs both once, one right after the other.
func (c *contest) round(ctx context.Context, counts bool) error {
	for i, f := range []func(context.Context) (time.Duration, error){c.ours, c.theirs} {
		d, err := f(ctx)
		if err != nil {
			return err
		}
		if counts {
			c.took[i] = append(c.took[i], d)
		}
	}
	return nil
}

// ratio is the median of the rounds' ratios: each pair ran back to back.
func (c *contest) ratio() float64 {
	var r []float64
	for i := range c.took[0] {
		r = append(r, float64(c.took[1][i])/float64(c.took[0][i]))
	}
	slices.Sort(r)
	return r[len(r)/2]
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func report(in *input, rounds int, contests []*contest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d posts, %.0f MB (%s); %d terms; %d cores, %s; median of %d rounds, in turn\n\n",
		in.rows, float64(in.bytes)/1e6, in.what, in.terms, runtime.NumCPU(), cpuModel(), rounds)
	b.WriteString("| work | peer | ours, posts/s | peer, posts/s | ratio |\n|---|---|---:|---:|---:|\n")
	for _, c := range contests {
		rate := func(i int) float64 { return float64(in.rows) / median(c.took[i]).Seconds() }
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.0f | %.2f |\n", c.name, c.peer, rate(0), rate(1), c.ratio())
	}
	return b.String()
}

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(v)
			}
		}
	}
	return runtime.GOARCH
}

// ours runs the sluice binary.
type ours struct {
	bin, dir  string
	peer      *peer
	posts     string // what follows "pipeline: store" for the posts, but for the sink
	empty     string // the same for a file without posts
	databases int
}

// rollups tells of each kind of database whether it has rollups.
var rollups = map[string]bool{"norollups": false, "rollups": true}

const steps = `
steps:
  - normalize: {}
  - tokenize: {}
  - fingerprint: {}
  - match: {lists: {terms: {path: %q}}}
admin: {listen: "off"}
log: {level: warn}
`

func newOurs(dir string, in *input, p *peer) (*ours, error) {
	bin, err := filepath.Abs("bin/sluice")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	empty := filepath.Join(dir, "empty.jsonl")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return nil, err
	}
	pipeline := func(path string) string {
		return fmt.Sprintf("pipeline: bench\nsource: {file: {paths: [%q], format: plain}}", path) + fmt.Sprintf(steps, in.termsFile)
	}
	o := &ours{bin: bin, dir: dir, peer: p, posts: pipeline(in.posts), empty: pipeline(empty)}
	return o, o.write("discard", o.posts+"sinks: [discard]\n")
}

func (o *ours) write(name, text string) error {
	return os.WriteFile(filepath.Join(o.dir, name+".yaml"), []byte(text), 0o600)
}

// database makes a database with the tables of our sink, as a warm server has
// them, for one run. Each run has one of its own: after a TRUNCATE the file
// system searches long for inodes that were not freed just now.
func (o *ours) database(ctx context.Context, kind string) (string, error) {
	o.databases++
	name := fmt.Sprintf("%s_%d", kind, o.databases)
	sink := fmt.Sprintf("sinks: [{clickhouse: {dsn: %q, rollups: %t}}]\n", o.peer.dsn(name), rollups[kind])
	if err := errors.Join(o.write(name, o.posts+sink), o.write("schema", o.empty+sink)); err != nil {
		return "", err
	}
	_, err := o.run(ctx, "schema")
	return name, err
}

// run times one process from its start to its end, on a fresh checkpoint.
func (o *ours) run(ctx context.Context, name string) (time.Duration, error) {
	ckpt := filepath.Join(o.dir, "checkpoint")
	if err := os.RemoveAll(ckpt); err != nil {
		return 0, err
	}
	c := exec.CommandContext(ctx, o.bin, "run", "--quiet", filepath.Join(o.dir, name+".yaml"), "--set", "checkpoint.path="+ckpt)
	begun := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	return time.Since(begun), nil
}

func (o *ours) discard(ctx context.Context) (time.Duration, error) { return o.run(ctx, "discard") }

func (o *ours) store(ctx context.Context, kind string) (time.Duration, error) {
	database, err := o.database(ctx, kind)
	if err != nil {
		return 0, err
	}
	d, err := o.run(ctx, database)
	if err != nil {
		return 0, err
	}
	return d, o.peer.check(ctx, database+".posts")
}
