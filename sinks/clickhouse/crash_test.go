package clickhouse

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// embeddedConfig is an engine of the test's own.
func embeddedConfig(t testing.TB) Config {
	t.Helper()
	needEngine(t)
	cfg := Defaults()
	cfg.Embedded.Path = filepath.Join(t.TempDir(), "data")
	cfg.Embedded.child = asChild
	return cfg
}

// TestEngineKilled kills the engine with SIGKILL again and again while epochs
// are written, and writes each epoch until it is taken, as the engine of the
// pipeline does. Nothing is lost and nothing doubled, in any table.
func TestEngineKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	schemas := testSchemas()
	f := newFiller(11)
	var epochs [][]pipeline.Batch
	for range 25 {
		epochs = append(epochs, f.epoch(schemas, 4000))
	}
	clean := openSink(t, testConfig(t), schemas)
	for i, e := range epochs {
		mustWrite(t, clean, testKey(i), e)
	}
	want := fingerprint(t, clean.conn)

	s := openSink(t, embeddedConfig(t), schemas)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var kills atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		rng := rand.New(rand.NewPCG(1, 1))
		for ctx.Err() == nil {
			if s.store.engine.Ready(ctx) != nil {
				return
			}
			time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
			if pid := s.store.engine.PID(); pid != 0 && kills.Load() < 8 {
				if p, err := os.FindProcess(pid); err == nil && p.Kill() == nil {
					kills.Add(1)
				}
			}
		}
	}()
	retries := 0
	for i, e := range epochs {
		for attempt := 0; ; attempt++ {
			err := s.Write(ctx, testKey(i), e)
			if err == nil {
				break
			}
			if _, ok := pipeline.IsRetryable(err); !ok || attempt == 200 {
				t.Fatalf("epoch %d, attempt %d: %v", i, attempt, err)
			}
			retries++
			time.Sleep(50 * time.Millisecond)
		}
	}
	stop()
	<-done
	t.Logf("%d kills, %d retries", kills.Load(), retries)
	if kills.Load() < 3 {
		t.Errorf("only %d kills", kills.Load())
	}
	if err := s.store.engine.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fingerprint(t, s.conn); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestEmbedded opens a folder, closes it and opens it again, and reads from it
// beside the writer and alone.
func TestEmbedded(t *testing.T) {
	cfg, schemas := embeddedConfig(t), testSchemas()
	cfg.Database = "mine"
	s := newSink(t, cfg, schemas, nil)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	epoch := newFiller(1).epoch(schemas, 100)
	mustWrite(t, s, testKey(0), epoch)
	want := fingerprint(t, s.conn)
	read := func(how string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, cleanup, err := Connect(ctx, cfg, true)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if err := conn.QueryRow(ctx, "SELECT 1").Err(); err != nil {
			t.Errorf("%s, with a deadline: %v", how, err)
		}
		if got := fingerprint(t, conn); got != want {
			t.Errorf("%s:\n got\n%s\nwant\n%s", how, got, want)
		}
		for _, sql := range []string{"INSERT INTO posts (id) VALUES ('x')", "DROP TABLE posts", "CREATE TABLE t (x UInt8) ENGINE = Memory"} {
			if err := conn.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s: a reader may %s", how, sql)
			}
		}
		if err := cleanup(t.Context()); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	read("beside the writer")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	read("alone")
	again := openSink(t, cfg, schemas)
	mustWrite(t, again, testKey(0), epoch)
	if got := fingerprint(t, again.conn); got != want {
		t.Errorf("opened again:\n got\n%s\nwant\n%s", got, want)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	// A second process on the folder is told who has it, and harms nobody.
	cfg.Embedded.child = func(o *embedded.Options) {
		asChild(o)
		o.LockWait = 200 * time.Millisecond
	}
	err := newSink(t, cfg, schemas, nil).Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), cfg.Embedded.Path) {
		t.Errorf("second writer: %v", err)
	}
	mustWrite(t, again, testKey(0), epoch)
}

// TestCancelled ends the context in the middle of an insert: the error is the
// context's, and the epoch can be written again.
func TestCancelled(t *testing.T) {
	schemas := testSchemas()
	s := openSink(t, testConfig(t), schemas)
	epoch := newFiller(1).epoch(schemas, 20_000)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 40 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(after, cancel)
		err := s.Write(ctx, testKey(0), epoch)
		timer.Stop()
		cancel()
		if err == nil {
			continue // it was faster
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %s: %v", after, err)
		}
		if _, ok := pipeline.IsRetryable(err); ok {
			t.Errorf("after %s: retryable: %v", after, err)
		}
	}
	mustWrite(t, s, testKey(0), epoch)
	if got := fingerprint(t, s.conn); !strings.Contains(got, "posts 20000 ") || !strings.Contains(got, "epochs 1 ") {
		t.Errorf("got\n%s", got)
	}
}
