package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

// errDifferent is returned when a run had another outcome than the undisturbed
// one.
var errDifferent = errors.New("not all is as in the undisturbed run")

func main() {
	p, many := full(), short()
	seed := flag.Uint64("seed", 0, "seed of the run, or of the first of -seeds; 0 takes one from the clock")
	seeds := flag.Int("seeds", 0, "run so many short schedules, of this seed and those after it")
	flag.IntVar(&p.posts, "posts", p.posts, "posts of the long run")
	flag.DurationVar(&p.faults, "time", p.faults, "how long the faults of the long run go on")
	flag.IntVar(&many.posts, "short-posts", many.posts, "posts of a short run")
	flag.DurationVar(&many.faults, "short-time", many.faults, "how long the faults of a short run go on")
	processes := flag.Int("processes", 3, "processes at the begin; 1 has no group")
	protocol := flag.String("protocol", "", "group protocol: classic, consumer (KIP-848) or either, by the seed; default: classic, with -seeds either")
	bin := flag.String("bin", "bin/sluice", "the program")
	write := flag.String("write", "", "append the report to this file too")
	keep := flag.Bool("keep", false, "keep logs, checkpoints and tables; those of a run that differs are always kept")
	flag.Parse()

	if *seeds > 0 {
		p = many
	}
	p.processes, p.most = *processes, *processes+1
	if *processes == 1 {
		p.most = 1
	}
	if *protocol != "" {
		p.protocol = *protocol
	}
	if *seed == 0 {
		*seed = uint64(time.Now().Unix())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, p, *seed, *seeds, *bin, *write, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// command runs the long run, or many short ones, and writes the report.
func command(ctx context.Context, p plan, seed uint64, seeds int, bin, write string, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "sluice-chaos-")
	if err != nil {
		return err
	}
	e, err := newEnv(ctx, dir, bin, ".", os.Stderr)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		e.close()
		if keep || errors.Is(err, errDifferent) {
			fmt.Fprintln(os.Stderr, "chaos: kept", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	var report strings.Builder
	if seeds == 0 {
		res, rerr := e.one(ctx, p, seed, true)
		if rerr != nil {
			return rerr
		}
		report.WriteString(res.String())
		if !res.equal() {
			err = errDifferent
		}
	} else {
		err = e.many(ctx, p, seed, seeds, keep, &report)
	}
	fmt.Print(report.String())
	if write != "" {
		f, werr := os.OpenFile(write, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if werr == nil {
			_, werr = f.WriteString(report.String() + "\n")
			werr = errors.Join(werr, f.Close())
		}
		err = errors.Join(err, werr)
	}
	return err
}

// env is what runs share.
type env struct {
	dir, bin, root string
	broker         *kafkatest.Broker
	store          *store
	out            io.Writer
}

// newEnv starts broker and store with their files in dir.
func newEnv(ctx context.Context, dir, bin, root string, out io.Writer) (*env, error) {
	bin, err := filepath.Abs(bin)
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	if _, err := os.Stat(filepath.Join(root, "deploy/examples/rules")); err != nil {
		return nil, fmt.Errorf("%w: run it from the root of the repository", err)
	}
	e := &env{dir: dir, bin: bin, root: root, out: out}
	if e.broker, err = kafkatest.Launch(dir); err != nil {
		return nil, err
	}
	fmt.Fprintln(out, "broker:", e.broker)
	if e.store, err = newStore(ctx, bin, dir); err != nil {
		e.broker.Close()
		return nil, err
	}
	return e, nil
}

func (e *env) close() {
	e.store.close()
	e.broker.Close()
}

// one runs one schedule.
func (e *env) one(ctx context.Context, p plan, seed uint64, verbose bool) (*result, error) {
	r, err := newRun(p, seed, e)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.out, "seed %d: %s\n", seed, r.variant)
	if verbose {
		fmt.Fprint(e.out, r.schedule)
	}
	res, err := r.do(ctx)
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	return res, nil
}

// many runs short schedules of consecutive seeds, and goes on after one that
// differs.
func (e *env) many(ctx context.Context, p plan, seed uint64, n int, keep bool, report *strings.Builder) (err error) {
	equal, ran, sums := 0, 0, map[string]int{}
	report.WriteString(seedsHead)
	for i := range n {
		res, rerr := e.one(ctx, p, seed+uint64(i), false)
		if rerr != nil {
			err = errors.Join(err, rerr)
			fmt.Fprintln(e.out, rerr)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		ran++
		report.WriteString(res.line())
		fmt.Fprint(e.out, res.line())
		for name, count := range res.run.tally.counts {
			sums[name] += count
		}
		if res.equal() {
			equal++
		} else {
			err = errors.Join(err, fmt.Errorf("seed %d: %w", res.run.seed, errDifferent))
			fmt.Fprint(e.out, res)
			continue // what it left is kept
		}
		if !keep {
			if derr := res.run.drop(ctx); derr != nil {
				return errors.Join(err, derr)
			}
		}
	}
	fmt.Fprintf(report, "\n%d of the %d schedules that ran ended as the undisturbed run. ", equal, ran)
	writeSums(report, sums)
	return err
}
