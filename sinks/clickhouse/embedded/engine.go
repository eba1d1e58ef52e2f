package embedded

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// engine is the opened libchdb. A connection is opened for every request: it
// takes about 0.2 ms, and nothing of one request (settings, temporary tables,
// the current database) can reach the next.
type engine struct {
	lib     *chdb.Library
	opts    *EngineOptions
	version string
	zone    string

	// anchor keeps the engine running while no request does. It also runs the
	// KILL statements, one at a time.
	mu     sync.Mutex
	anchor *chdb.Conn
}

// openEngine opens the path, whose lock the caller holds.
func openEngine(lib *chdb.Library, opts *EngineOptions, configFile string) (*engine, error) {
	e := &engine{lib: lib, opts: opts}
	anchor, err := lib.Connect("--path="+opts.Path, "--config-file="+configFile)
	if err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: open %s: %w", opts.Path, err)
	}
	e.anchor = anchor
	res, err := anchor.Query("SELECT version(), timezone()", "TSV", nil)
	if err != nil {
		anchor.Close()
		return nil, fmt.Errorf("embedded ClickHouse: open %s: %w", opts.Path, err)
	}
	defer res.Free()
	e.version, e.zone, _ = strings.Cut(strings.TrimSpace(string(res.Bytes())), "\t")
	return e, nil
}

// connect opens a connection for r's user. An analyst's is not sandboxed yet:
// see sandbox.
func (e *engine) connect(r role) (*chdb.Conn, error) {
	// implicit_select lets a bare expression be a statement, which a server
	// does not; async inserts have no queue here.
	args := []string{"--path=" + e.opts.Path, "--implicit_select=0", "--async_insert=0"}
	if r == roleAnalyst {
		args = append(
			args, "--allow_introspection_functions=0", "--max_execution_time="+strconv.Itoa(e.analystSeconds()),
			"--max_memory_usage="+strconv.FormatInt(e.opts.AnalystMemory, 10),
		)
	}
	return e.lib.Connect(args...)
}

func (e *engine) analystSeconds() int {
	return int((e.opts.AnalystTime + time.Second - 1) / time.Second)
}

// sandbox makes c read-only, which cannot be undone on it.
func sandbox(c *chdb.Conn) error { return c.Exec("SET readonly = 1") }

// kill cancels the statement that ends with tag, until stop is closed: a
// statement can be killed only once the engine lists it.
func (e *engine) kill(tag string, stop <-chan struct{}) {
	wait := time.NewTicker(50 * time.Millisecond)
	defer wait.Stop()
	for {
		e.mu.Lock()
		if e.anchor != nil {
			// Its own errors say nothing that matters: the statement may have ended.
			_ = e.anchor.Exec("KILL QUERY WHERE endsWith(query, " + quoteString(tag) + ") ASYNC")
		}
		e.mu.Unlock()
		select {
		case <-stop:
			return
		case <-wait.C:
		}
	}
}

// close closes the last connection, which stops the merges and releases the
// path, and then what threads the engine lets be stopped.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.anchor == nil {
		return
	}
	e.anchor.Close()
	e.anchor = nil
	_ = e.lib.Shutdown() // best effort, see there
}

// slots bound how many statements of one kind of user run at once.
type slots struct {
	free chan struct{}
	wait time.Duration
	what string
}

func newSlots(n int, wait time.Duration, what string) *slots {
	return &slots{free: make(chan struct{}, n), wait: wait, what: what}
}

// take waits for a slot; give it back with release.
func (s *slots) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return exceptionf(codeQueryCancelled, "QUERY_WAS_CANCELLED", "the client went away while waiting to run")
	case <-timer.C:
		return exceptionf(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES",
			"%d %s statements were running for all of %s; retry later", cap(s.free), s.what, s.wait)
	}
}

func (s *slots) release() { <-s.free }
