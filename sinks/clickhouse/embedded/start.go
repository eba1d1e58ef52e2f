package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Restart delays: doubled from the first to the last, and reset by a child that
// was ready for a while.
const (
	firstDelay  = 100 * time.Millisecond
	lastDelay   = 10 * time.Second
	steadyAfter = time.Minute
)

// startAbandon is how long a child that did not become ready has to end.
const startAbandon = 5 * time.Second

// Engine is a running embedded engine, as its parent sees it: a child process
// that is started again when it dies, on the same address.
//
// While the child is away, connections to the address wait in the socket's
// queue and are answered by the next child; requests that were running fail
// with a broken connection. Both are retryable; for an insert whose outcome is
// unknown that takes the same insert_deduplication_token.
type Engine struct {
	opts     Options
	listener *net.TCPListener
	socket   *os.File // the listener's, for the children
	log      *slog.Logger

	stop    chan struct{} // closed by Stop
	stopped chan struct{} // closed when the supervisor has ended
	once    sync.Once

	mu      sync.Mutex
	version string
	pid     int
	lastErr error
	up      chan struct{} // closed while a child is ready
}

// Start starts the engine in a child process and waits until it is ready. The
// child ends when Stop is called or this process dies in any way.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	opts.setDefaults()
	setDefault(&opts.Listen, "127.0.0.1:0")
	setDefault(&opts.StartTimeout, time.Minute)
	setDefault(&opts.Logger, slog.New(slog.DiscardHandler))
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if opts.Password == "" {
		opts.Password = newToken()
	}
	if opts.Command == nil {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("embedded ClickHouse: find this executable: %w", err)
		}
		// The options go through the pipe; these are for whoever lists the processes.
		opts.Command = []string{exe, "clickhouse", "serve", "--path", opts.Path, "--listen", opts.Listen}
	}
	e := &Engine{
		opts: opts, log: opts.Logger, up: make(chan struct{}),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := e.listen(); err != nil {
		return nil, err
	}
	first := make(chan error, 1)
	go e.supervise(first)
	timer := time.NewTimer(opts.StartTimeout)
	defer timer.Stop()
	var err error
	select {
	case err = <-first:
	case <-ctx.Done():
		err = fmt.Errorf("embedded ClickHouse: start: %w", context.Cause(ctx))
	case <-timer.C:
		err = fmt.Errorf("embedded ClickHouse: the child was not ready within %s", opts.StartTimeout)
	}
	if err != nil {
		limit, done := context.WithTimeout(context.WithoutCancel(ctx), startAbandon)
		defer done()
		_ = e.Stop(limit)
		return nil, err
	}
	return e, nil
}

func (e *Engine) listen() error {
	l, err := listenOn(e.opts.Listen, e.opts.AllowRemote)
	if err != nil {
		return err
	}
	e.listener = l.(*net.TCPListener) // what net.Listen("tcp") gives
	if e.socket, err = e.listener.File(); err != nil {
		l.Close()
		return fmt.Errorf("embedded ClickHouse: socket of %s: %w", e.opts.Listen, err)
	}
	return nil
}

// Addr is host:port, the same for the life of the Engine.
func (e *Engine) Addr() string { return e.listener.Addr().String() }

// User and Password are the writer's credentials.
func (e *Engine) User() string { return e.opts.User }

// Password is the writer's password. It is a secret: do not log it.
func (e *Engine) Password() string { return e.opts.Password }

// Version is the engine's version, such as 26.7.2.1.
func (e *Engine) Version() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.version
}

// DSN is the writer's data source name for clickhouse-go. It holds the
// password: do not log it.
func (e *Engine) DSN(database string) string {
	return dsn(e.Addr(), e.opts.User, e.opts.Password, database)
}

// ReaderDSN is that of read-only users.
func (e *Engine) ReaderDSN(database string) string {
	return dsn(e.Addr(), AnalystUser, e.opts.AnalystPassword, database)
}

func dsn(addr, user, password, database string) string {
	u := url.URL{Scheme: "http", Host: addr, Path: "/" + database, User: url.UserPassword(user, password)}
	if password == "" {
		u.User = url.User(user)
	}
	return u.String()
}

// Err says why there is no child at the moment; nil while one is ready.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastErr
}

// PID is the child's process id, 0 while there is none.
func (e *Engine) PID() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid
}

// errStopped is the state after Stop.
var errStopped = errors.New("embedded ClickHouse: the engine is stopped")

// Ready waits until a child is ready.
func (e *Engine) Ready(ctx context.Context) error {
	e.mu.Lock()
	up := e.up
	e.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-e.stopped:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("embedded ClickHouse: waiting for the engine: %w (%w)", context.Cause(ctx), e.Err())
	}
}

// Stop ends the child in order and waits for it, until ctx ends: then the child
// is killed, which loses nothing that was acknowledged. It may be called more
// than once.
func (e *Engine) Stop(ctx context.Context) error {
	e.once.Do(func() { close(e.stop) })
	select {
	case <-e.stopped:
		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	pid := e.pid
	e.mu.Unlock()
	if pid != 0 {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	<-e.stopped
	return fmt.Errorf("embedded ClickHouse: the child was killed: it had not closed in time: %w", context.Cause(ctx))
}

// supervise keeps a child running. It stays on one thread, since Linux ties a
// child's death signal to the thread that started it.
func (e *Engine) supervise(first chan<- error) {
	runtime.LockOSThread()
	defer close(e.stopped)
	defer e.listener.Close()
	defer e.socket.Close()
	delay := firstDelay
	for attempt := 1; ; attempt++ {
		started := time.Now()
		wasReady, err := e.runChild(attempt, first)
		if attempt == 1 && !wasReady && first != nil {
			// Nobody waits for a second try of what never worked.
			first <- err
			return
		}
		if e.isStopping() {
			e.setDown(errStopped)
			return
		}
		uptime := time.Since(started)
		e.setDown(err)
		e.log.Error("embedded ClickHouse died; it is started again", "err", err, "uptime", uptime, "delay", delay)
		e.notify(RestartEvent{Attempt: attempt, Uptime: uptime, Err: err})
		select {
		case <-e.stop:
			e.setDown(errStopped)
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, lastDelay)
		if wasReady {
			attempt, first = 0, nil
			if uptime >= steadyAfter {
				delay = firstDelay
			}
		}
	}
}

func (e *Engine) isStopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

func (e *Engine) notify(ev RestartEvent) {
	if e.opts.OnRestart != nil {
		e.opts.OnRestart(ev)
	}
}

func (e *Engine) setUp(r report, pid int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version, e.pid, e.lastErr = r.Version, pid, nil
	close(e.up)
}

func (e *Engine) setDown(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pid, e.lastErr = 0, err
	select {
	case <-e.up:
		e.up = make(chan struct{})
	default:
	}
}

// child is a started child process with the parent's ends of its pipes.
type child struct {
	cmd     *exec.Cmd
	control *os.File
	reports *os.File
	stderr  sync.WaitGroup
}

// runChild starts a child and waits for its end. It returns whether the child
// was ready, and why it ended.
func (e *Engine) runChild(attempt int, first chan<- error) (wasReady bool, err error) {
	c, err := e.startChild()
	if err != nil {
		return false, err
	}
	e.mu.Lock()
	e.pid = c.cmd.Process.Pid
	e.mu.Unlock()

	ended := make(chan struct{})
	reported := make(chan report, 1)
	ordered := make(chan struct{})
	go func() {
		defer close(ordered)
		select {
		case <-e.stop:
			_ = c.control.Close() // the order to stop
		case <-ended:
		}
	}()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for dec := json.NewDecoder(c.reports); ; {
			var r report
			if dec.Decode(&r) != nil {
				return
			}
			if r.Error != "" {
				select {
				case reported <- r:
				default:
				}
				return
			}
			e.setUp(r, c.cmd.Process.Pid)
			if first != nil {
				first <- nil
			} else {
				e.notify(RestartEvent{Up: true, Attempt: attempt})
			}
			wasReady = true
		}
	}()
	<-reading // the child's end of the pipe is closed: it is ending or dead
	c.stderr.Wait()
	err = c.cmd.Wait()
	close(ended)
	<-ordered
	_ = c.control.Close()
	_ = c.reports.Close()
	select {
	case r := <-reported:
		return wasReady, errors.New(r.Error)
	default:
	}
	if err == nil {
		err = errors.New("it ended of itself")
	}
	return wasReady, fmt.Errorf("embedded ClickHouse: child %d: %w", c.cmd.Process.Pid, err)
}

// startChild starts the command with its pipes: 3 for options and the order to
// stop, 4 for reports, 5 the listening socket.
func (e *Engine) startChild() (*child, error) {
	controlRead, controlWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: pipe: %w", err)
	}
	defer controlRead.Close()
	reportsRead, reportsWrite, err := os.Pipe()
	if err != nil {
		controlWrite.Close()
		return nil, fmt.Errorf("embedded ClickHouse: pipe: %w", err)
	}
	defer reportsWrite.Close()
	c := &child{control: controlWrite, reports: reportsRead, cmd: exec.Command(e.opts.Command[0], e.opts.Command[1:]...)}
	c.cmd.Env = append(append(os.Environ(), e.opts.Env...), linkVariable+"=1")
	c.cmd.ExtraFiles = []*os.File{controlRead, reportsWrite, e.socket}
	c.cmd.SysProcAttr = childAttributes()
	stderr, err := c.cmd.StderrPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		controlWrite.Close()
		reportsRead.Close()
		return nil, fmt.Errorf("embedded ClickHouse: start %q: %w", e.opts.Command, err)
	}
	c.stderr.Go(func() { e.logLines(stderr) })
	sent := ServeOptions{EngineOptions: e.opts.EngineOptions, Listen: e.opts.Listen}
	if err := json.NewEncoder(controlWrite).Encode(sent); err != nil {
		e.log.Error("embedded ClickHouse: the child did not take its options", "err", err)
	}
	return c, nil
}

// logLine logs a line of the child: slog's JSON as what it says, anything else
// (libchdb's own words) as text.
func (e *Engine) logLine(line []byte) {
	var rec map[string]any
	level := slog.LevelInfo
	if json.Unmarshal(line, &rec) != nil || rec[slog.MessageKey] == nil {
		e.log.Info("embedded ClickHouse: " + string(line))
		return
	}
	if text, ok := rec[slog.LevelKey].(string); ok {
		_ = level.UnmarshalText([]byte(text)) // stays info if it is none
	}
	msg := fmt.Sprint(rec[slog.MessageKey])
	var attrs []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(rec)) {
		if k != slog.MessageKey && k != slog.LevelKey && k != slog.TimeKey {
			attrs = append(attrs, slog.Any(k, rec[k]))
		}
	}
	e.log.LogAttrs(context.Background(), level, msg, attrs...)
}

// logLines logs the child's standard error line by line.
func (e *Engine) logLines(r io.Reader) {
	in := bufio.NewReaderSize(r, 16<<10)
	for {
		line, _, err := in.ReadLine()
		if len(line) > 0 {
			e.logLine(line)
		}
		if err != nil {
			return
		}
	}
}
