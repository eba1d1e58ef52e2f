package chdb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// engine is the one library and path of this test process.
var engine struct {
	lib  *Library
	path string
	skip error
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		file, err := Find("")
		if err != nil {
			engine.skip = err
			return m.Run()
		}
		if engine.lib, err = Load(file); err != nil {
			fmt.Println(err)
			return 1
		}
		if engine.path, err = os.MkdirTemp("", "chdb-test-"); err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(engine.path)
		defer engine.lib.Shutdown()
		return m.Run()
	}())
}

func connect(t testing.TB, args ...string) *Conn {
	t.Helper()
	if engine.skip != nil {
		t.Skip(engine.skip)
	}
	c, err := engine.lib.Connect(append([]string{"--path=" + engine.path}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func text(t testing.TB, c *Conn, sql string, params ...Param) string {
	t.Helper()
	r, err := c.Query(sql, "TSV", params)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	return string(r.Bytes())
}

func TestQuery(t *testing.T) {
	c := connect(t)
	if got := text(t, c, "SELECT {a:UInt8} + 1, {s:String}", Param{"a", "2"}, Param{"s", `x'\\y`}); got != "3\tx\\'\\\\y\n" {
		t.Errorf("%q", got)
	}
	if got := text(t, c, "SELECT 1 WHERE 0"); got != "" {
		t.Errorf("%q", got)
	}
	if !strings.HasPrefix(engine.lib.Version(), PinnedVersion[:4]) {
		t.Errorf("version %s, pinned %s", engine.lib.Version(), PinnedVersion)
	}
	_, err := c.Query("SELECT * FROM nosuch", "TSV", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != 60 || !strings.HasPrefix(e.Text, "Code: 60. DB::Exception:") {
		t.Errorf("error %v", err)
	}
	for sql, want := range map[string]Class{
		"SELECT 1": ReadOnly, "INSERT INTO t VALUES (1)": Mutating, "KILL QUERY WHERE 1": Control,
		"SELECT 1 INTO OUTFILE 'x'": Control, "CREATE FUNCTION f AS x -> x": MutatingGlobal,
	} {
		if got, n, err := c.Classify(sql); got != want || n != 1 || err != nil {
			t.Errorf("%s: class %d, %d statements, %v", sql, got, n, err)
		}
	}
}

func TestStream(t *testing.T) {
	c := connect(t)
	s, err := c.Stream("SELECT number FROM numbers(300000)", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, pieces := 0, 0
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(r.Bytes()), "\n")
		pieces++
		r.Free()
	}
	s.Close()
	if n != 300000 || pieces < 2 {
		t.Errorf("%d rows in %d pieces", n, pieces)
	}
	// A stream that is given up leaves the connection usable.
	s, err = c.Stream("SELECT number FROM numbers(1000000000000)", "TSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	r.Free()
	s.Close()
	if got := text(t, c, "SELECT 1"); got != "1\n" {
		t.Errorf("%q", got)
	}
}

func TestInsert(t *testing.T) {
	c := connect(t)
	if err := c.Exec("CREATE OR REPLACE TABLE ins (a UInt64, s String) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	in, err := c.Insert("INSERT INTO ins (a, s)", "CSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Far more pieces than the engine queues, cut anywhere.
	row := `1,"a` + "\x00" + `b"` + "\n"
	data := []byte(strings.Repeat(row, 1000))
	for range 100 {
		for at := 0; at < len(data); at += 999 {
			if err := in.Append(data[at:min(at+999, len(data))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	stats, err := in.Done()
	in.Close()
	if err != nil || stats.WrittenRows != 100000 {
		t.Errorf("%+v, %v", stats, err)
	}
	// Given up: nothing is written.
	in, err = c.Insert("INSERT INTO ins (a, s)", "CSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Append(data); err != nil {
		t.Error(err)
	}
	in.Close()
	if got := text(t, c, "SELECT count(), uniq(s), any(length(s)) FROM ins"); got != "100000\t1\t3\n" {
		t.Errorf("%q", got)
	}
	// Bad data is refused at the latest by Done.
	in, err = c.Insert("INSERT INTO ins (a, s)", "CSV", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = in.Append([]byte("x,y\n"))
	if err == nil {
		_, err = in.Done()
	}
	in.Close()
	var e *Error
	if !errors.As(err, &e) || e.Code == 0 {
		t.Errorf("error %v", err)
	}
	if _, err := c.Insert("INSERT INTO nosuch (a)", "CSV", nil); !errors.As(err, &e) || e.Code != 60 {
		t.Errorf("error %v", err)
	}
}

// TestParallel runs connections in parallel, opening and closing all the time.
func TestParallel(t *testing.T) {
	connect(t) // keeps the engine open
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				c, err := engine.lib.Connect("--path=" + engine.path)
				if err != nil {
					t.Error(err)
					return
				}
				r, err := c.Query(fmt.Sprintf("SELECT %d + %d", g, i), "TSV", nil)
				if err != nil {
					t.Error(err)
				} else if got := string(r.Bytes()); got != fmt.Sprintln(g+i) {
					t.Errorf("%q", got)
				}
				r.Free()
				c.Close()
			}
		})
	}
	wg.Wait()
}

// TestGoSignals checks that the Go runtime still has its signals: a nil
// dereference panics instead of killing, and a busy loop is preempted.
func TestGoSignals(t *testing.T) {
	c := connect(t)
	text(t, c, "SELECT count() FROM numbers(1000000)")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a nil dereference did not panic")
			}
		}()
		var p *int
		*p = 1
	}()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !stop.Load() { // no function call: only a signal can interrupt it
		}
	}()
	time.Sleep(20 * time.Millisecond) // returns only if the loop is preempted
	stop.Store(true)
	<-ended
}

func TestClosed(t *testing.T) {
	c := connect(t)
	c.Close()
	c.Close()
	if _, err := c.Query("SELECT 1", "TSV", nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := c.Stream("SELECT 1", "TSV", nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := c.Insert("INSERT INTO t", "CSV", nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

func TestNewError(t *testing.T) {
	for in, want := range map[string]Error{
		"Code: 60. DB::Exception: x":               {60, "Code: 60. DB::Exception: x"},
		" Error: Code: 7. DB::Exception: Code: 8.": {7, "Code: 7. DB::Exception: Code: 8."},
		"Code: x":                       {0, "Code: x"},
		"Code: ":                        {0, "Code:"},
		"Code: 12":                      {0, "Code: 12"},
		"Code: 99999999999999999999. x": {0, "Code: 99999999999999999999. x"},
		"":                              {0, ""},
	} {
		if diff := cmp.Diff(want, *newError(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHDB_LIB_PATH", "")
	for _, explicit := range []string{file, dir} {
		if got, err := Find(explicit); got != file || err != nil {
			t.Errorf("%s: %s, %v", explicit, got, err)
		}
	}
	missing := filepath.Join(dir, "missing")
	if _, err := Find(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v", err)
	}
	t.Setenv("CHDB_LIB_PATH", missing)
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "CHDB_LIB_PATH") {
		t.Errorf("error %v", err)
	}
	t.Setenv("CHDB_LIB_PATH", dir)
	if got, err := Find(""); got != file || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv("CHDB_LIB_PATH", "")
	t.Setenv("SLUICE_CACHE", dir)
	if err := os.MkdirAll(filepath.Join(dir, "chdb", PinnedVersion), 0o700); err != nil {
		t.Fatal(err)
	}
	cached := filepath.Join(dir, "chdb", PinnedVersion, "libchdb.so")
	if err := os.WriteFile(cached, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(""); got != cached || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Load(cached); err == nil || !strings.Contains(err.Error(), cached) {
		t.Errorf("an empty file was loaded: %v", err)
	}
}

// TestPin keeps the version here and the one that is fetched the same.
func TestPin(t *testing.T) {
	pin, err := os.ReadFile("../../deploy/chdb/pin")
	if err != nil {
		t.Fatal(err)
	}
	platforms := 0
	for line := range strings.Lines(string(pin)) {
		if fields := strings.Fields(line); len(fields) == 4 && !strings.HasPrefix(line, "#") {
			platforms++
			if fields[2] != PinnedVersion {
				t.Errorf("%s: version %s, here %s", fields[0], fields[2], PinnedVersion)
			}
		}
	}
	if platforms != 4 {
		t.Errorf("%d platforms are pinned", platforms)
	}
}
