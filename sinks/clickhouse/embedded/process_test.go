package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const windowed = " (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000"

func withToken(ctx context.Context, token string) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": token, "wait_end_of_query": 1,
	}))
}

func insertToken(ctx context.Context, conn clickhouse.Conn, token string, rows int) error {
	batch, err := conn.PrepareBatch(withToken(ctx, token), "INSERT INTO t")
	if err != nil {
		return err
	}
	defer batch.Close()
	for i := range rows {
		if err := batch.Append(uint64(i)); err != nil {
			return err
		}
	}
	return batch.Send()
}

func count(t *testing.T, conn clickhouse.Conn, what string) uint64 {
	t.Helper()
	var n uint64
	must(t, conn.QueryRow(t.Context(), what).Scan(&n))
	return n
}

// TestKilledChild is the promise: what was acknowledged is there after SIGKILL,
// and the token of an insert whose answer got lost still deduplicates.
func TestKilledChild(t *testing.T) {
	events := make(chan RestartEvent, 16)
	e := startTest(t, func(o *Options) { o.OnRestart = func(ev RestartEvent) { events <- ev } })
	conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
	ctx := t.Context()
	addr := e.Addr()
	must(t, conn.Exec(ctx, "CREATE TABLE t"+windowed))
	for i := range 20 {
		must(t, insertToken(ctx, conn, fmt.Sprint("k", i), 100))
	}
	for round := range 2 {
		must(t, syscall.Kill(e.PID(), syscall.SIGKILL))
		down := <-events
		if down.Up || down.Err == nil {
			t.Errorf("round %d: event %+v", round, down)
		}
		// Retried at once, against the address of before, as a sink would.
		deadline := time.Now().Add(30 * time.Second)
		for {
			err := insertToken(ctx, conn, "k19", 100)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if up := <-events; !up.Up {
			t.Errorf("round %d: event %+v", round, up)
		}
		must(t, e.Ready(ctx))
		if n := count(t, conn, "SELECT count() FROM t"); n != 2000 {
			t.Errorf("round %d: %d rows, want 2000", round, n)
		}
	}
	if e.Addr() != addr || e.Err() != nil {
		t.Errorf("address %s, error %v", e.Addr(), e.Err())
	}
	must(t, insertToken(ctx, conn, "new", 100))
	if n := count(t, conn, "SELECT count() FROM t"); n != 2100 {
		t.Errorf("%d rows, want 2100", n)
	}
}

// TestParentDeath kills a parent: its child must close, and a new parent can
// have the folder soon.
func TestParentDeath(t *testing.T) {
	needLibrary(t)
	path := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "SLUICE_TEST_ROLE=parent", "SLUICE_TEST_PATH="+path)
	out, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != "started" {
		t.Fatalf("the parent said %q", line)
	}
	pid, err := strconv.Atoi(fields[2])
	must(t, err)
	must(t, parent.Process.Kill())
	_ = parent.Wait()
	began := time.Now()
	opts := testOptions(path)
	e, err := Start(t.Context(), opts) // waits for the old child's lock
	must(t, err)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the folder was free after %s", took)
	}
	must(t, e.Stop(t.Context()))
	for range 100 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("child %d outlives its parent", pid)
}

func TestFolderHeld(t *testing.T) {
	path := t.TempDir()
	e := startTest(t, func(o *Options) { o.Path = path })
	opts := testOptions(path)
	opts.LockWait = 300 * time.Millisecond
	_, err := Start(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), "Code: 76") || !strings.Contains(err.Error(), path) ||
		!strings.Contains(err.Error(), fmt.Sprintf("pid %d", e.PID())) {
		t.Errorf("error %v", err)
	}
	found, err := Locate(path)
	must(t, err)
	if found.Addr != e.Addr() || found.Password != e.Password() || found.PID != e.PID() {
		t.Errorf("located %s, %d", found.Addr, found.PID)
	}
	must(t, e.Stop(t.Context()))
	if _, err := Locate(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	needLibrary(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer busy.Close()
	readOnly := filepath.Join(t.TempDir(), "ro")
	must(t, os.Mkdir(readOnly, 0o500))
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	newer := t.TempDir()
	text, _ := json.Marshal(marker{Format: folderFormat, Engine: "99.1.2"})
	must(t, os.WriteFile(filepath.Join(newer, MarkerFile), text, 0o600))
	format := t.TempDir()
	text, _ = json.Marshal(marker{Format: folderFormat + 1, Engine: "26.7.3"})
	must(t, os.WriteFile(filepath.Join(format, MarkerFile), text, 0o600))

	for name, c := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"port in use":    {func(o *Options) { o.Listen = busy.Addr().String() }, []string{"in use", busy.Addr().String()}},
		"not loopback":   {func(o *Options) { o.Listen = "0.0.0.0:0" }, []string{"loopback", "0.0.0.0:0"}},
		"no port":        {func(o *Options) { o.Listen = "127.0.0.1" }, []string{"host:port"}},
		"path is a file": {func(o *Options) { o.Path = file }, []string{file}},
		"newer data":     {func(o *Options) { o.Path = newer }, []string{newer, "99.1.2", "26.7.3"}},
		"newer format":   {func(o *Options) { o.Path = format }, []string{format, "format 2"}},
		"full disk":      {func(o *Options) { o.MinFreeBytes = 1 << 60 }, []string{"MiB are free", "free space"}},
		"no path":        {func(o *Options) { o.Path = "" }, []string{"path is empty"}},
		"library":        {func(o *Options) { o.Library = file + "x" }, []string{file + "x"}},
		"not a library":  {func(o *Options) { o.Library = file }, []string{"cannot load", file}},
		"user":           {func(o *Options) { o.User = "analyst" }, []string{"analyst"}},
		"no command":     {func(o *Options) { o.Command = []string{file + "y"} }, []string{file + "y"}},
		"wrong command":  {func(o *Options) { o.Command = []string{"false"} }, []string{"exit status 1"}},
		"silent command": {func(o *Options) { o.Command = []string{"sleep", "60"}; o.StartTimeout = 200 * time.Millisecond }, []string{"not ready within"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := testOptions(t.TempDir())
			c.change(&opts)
			began := time.Now()
			e, err := Start(t.Context(), opts)
			if err == nil {
				e.Stop(t.Context())
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if os.Getuid() != 0 {
		opts := testOptions(readOnly)
		if _, err := Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "not writable") {
			t.Errorf("error %v", err)
		}
	}
}

// TestStandalone serves a folder without a parent, is told to stop while merges
// run, and ends with status 0.
func TestStandalone(t *testing.T) {
	needLibrary(t)
	path := t.TempDir()
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SLUICE_TEST_ROLE=serve", "SLUICE_TEST_PATH="+path)
		cmd.Stderr = testLog{t}
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		must(t, err)
		if !strings.HasPrefix(line, "ready http://127.0.0.1:") || !strings.Contains(line, path) {
			t.Fatalf("it said %q", line)
		}
		found, err := Locate(path)
		must(t, err)
		if strings.Contains(line, found.Password) || len(found.Password) < 16 {
			t.Errorf("the ready line has the password")
		}
		info, err := os.Stat(filepath.Join(path, TokenFile))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the password's file has mode %v", info.Mode())
		}
		conn := open(t, found.DSN(DefaultUser, "default"), clickhouse.CompressionNone)
		ctx := t.Context()
		must(t, conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS m (a UInt64, s String) ENGINE = MergeTree ORDER BY a"))
		for i := range 12 {
			must(t, conn.Exec(ctx, fmt.Sprintf("INSERT INTO m SELECT number * 7 + %d, repeat('x', 50) FROM numbers(100000)", i)))
		}
		if n, want := count(t, conn, "SELECT count() FROM m"), uint64(round+1)*1200000; n != want {
			t.Errorf("round %d: %d rows, want %d", round, n, want)
		}
		merging := make(chan struct{})
		go func() {
			defer close(merging)
			_ = conn.Exec(ctx, "OPTIMIZE TABLE m FINAL")
		}()
		time.Sleep(50 * time.Millisecond)
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		if err := cmd.Wait(); err != nil {
			t.Errorf("round %d: it ended with %v", round, err)
		}
		<-merging
	}
}

// TestChildOutlivesGroupSignal checks that a SIGTERM for the whole group leaves
// the store open until the parent has written what it has.
func TestChildOutlivesGroupSignal(t *testing.T) {
	e := startTest(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(testLog{t}, nil)) })
	pid := e.PID()
	must(t, syscall.Kill(pid, syscall.SIGTERM))
	must(t, syscall.Kill(pid, syscall.SIGINT))
	time.Sleep(200 * time.Millisecond)
	resp, err := http.Get("http://" + e.Addr() + "/ping")
	must(t, err)
	resp.Body.Close()
	if e.PID() != pid {
		t.Errorf("the child was replaced")
	}
}
