package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// defaultListen is where a server listens that was started by hand.
const defaultListen = "127.0.0.1:8123"

// closeGrace is how long the engine may take to close after its statements have
// ended; then the process ends without it. Nothing acknowledged is lost by that.
const closeGrace = 20 * time.Second

// cancelGrace is how long a cancelled statement has to answer its client.
const cancelGrace = 2 * time.Second

// Serve opens the engine in this process and serves ClickHouse's HTTP interface
// until ctx ends, SIGTERM or SIGINT comes, or, in a child of [Start], the parent
// closes its pipe or dies. Then it finishes or cancels what runs, closes the
// engine in order and returns nil. It must be called once in a process, and the
// process should end when it returns.
//
// In a child of Start the options come from the parent and opts is only the
// fallback for what it leaves empty: Logger and Stdout.
func Serve(ctx context.Context, opts ServeOptions) error {
	link, err := parentLink()
	if err != nil {
		return err
	}
	if link == nil {
		return serve(ctx, opts, nil)
	}
	defer link.close()
	if err := link.receive(&opts); err != nil {
		return err
	}
	if err := serve(ctx, opts, link); err != nil {
		link.report(report{Error: err.Error()})
		return err
	}
	return nil
}

func serve(ctx context.Context, opts ServeOptions, link *link) error {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.setDefaults()
	setDefault(&opts.Listen, defaultListen)
	if err := opts.validate(); err != nil {
		return err
	}
	outer := ctx
	if link != nil {
		// A signal that ends the caller's context may be meant for the whole group:
		// see stopOnSignal.
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if link != nil {
		late := context.AfterFunc(outer, func() {
			time.AfterFunc(orphanGrace, func() { cancel(context.Cause(outer)) })
		})
		defer late()
	}
	stopSignals := stopOnSignal(cancel, link, opts.Logger)
	defer stopSignals()
	if link != nil {
		go link.watch(cancel)
	}

	listener, err := listen(&opts, link)
	if err != nil {
		return err
	}
	defer listener.Close()
	held, err := openFolder(opts.Path, opts.MinFreeBytes, opts.LockWait, ctx.Done())
	if err != nil {
		return err
	}
	defer held.release()
	e, err := startEngine(&opts, held)
	if err != nil {
		return err
	}
	return serveEngine(ctx, e, &opts, held, listener, link)
}

// startEngine loads the library and opens the folder with it.
func startEngine(opts *ServeOptions, held *folder) (*engine, error) {
	file, err := chdb.Find(opts.Library)
	if err != nil {
		return nil, err
	}
	lib, err := chdb.Load(file)
	if err != nil {
		return nil, err
	}
	if err := held.checkVersion(lib.Version()); err != nil {
		return nil, err
	}
	if opts.Password, err = held.token(opts.Password); err != nil {
		return nil, err
	}
	config := filepath.Join(opts.Path, configName)
	if err := writeFile(config, engineConfig(&opts.EngineOptions)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(opts.Path, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: %w", err)
	}
	if err := ensureDefaultDatabase(opts.Path); err != nil {
		return nil, err
	}
	unwritten, err := forgetUnwritten(opts.Path)
	if err != nil {
		return nil, err
	}
	if unwritten > 0 {
		opts.Logger.Info("embedded ClickHouse was killed within inserts: they are not taken for done", "inserts", unwritten)
	}
	e, err := openEngine(lib, &opts.EngineOptions, config)
	if err != nil {
		return nil, err
	}
	if err := held.writeMarker(lib.Version()); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// serveEngine serves until ctx ends, then closes everything in order.
func serveEngine(ctx context.Context, e *engine, opts *ServeOptions, held *folder, listener net.Listener, link *link) error {
	stopping, cancelStatements := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelStatements()
	handler := newServer(stopping, e, opts.Logger)
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 2 << 20,
		ErrorLog: slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()

	addr := listener.Addr().String()
	err := held.note(holder{PID: os.Getpid(), Addr: addr})
	if err == nil {
		opts.Logger.Info("embedded ClickHouse is ready", "addr", addr, "engine", e.version, "path", opts.Path)
		if link != nil {
			link.report(report{Addr: addr, Version: e.version})
		} else if opts.Stdout != nil {
			fmt.Fprintf(opts.Stdout, "ready http://%s user=%s password-file=%s engine=%s path=%s\n",
				addr, opts.User, filepath.Join(opts.Path, TokenFile), e.version, opts.Path)
		}
		select {
		case <-ctx.Done():
		case err = <-failed:
			err = fmt.Errorf("embedded ClickHouse: serve on %s: %w", addr, err)
		}
	}
	opts.Logger.Info("embedded ClickHouse is stopping", "why", context.Cause(ctx))
	watchdog := time.AfterFunc(opts.ShutdownTimeout+closeGrace, func() {
		opts.Logger.Error("embedded ClickHouse did not close in time; the process ends without it")
		os.Exit(1)
	})
	defer watchdog.Stop()
	if !shutdown(srv, opts.ShutdownTimeout) {
		// Cancelled statements still answer why; clients that send no more do not.
		cancelStatements()
		if !shutdown(srv, cancelGrace) {
			_ = srv.Close()
		}
	}
	handler.drain()
	e.close()
	return err
}

// shutdown stops accepting and waits for the requests that run; false if some
// still do after the time.
func shutdown(srv *http.Server, wait time.Duration) bool {
	limit, done := context.WithTimeout(context.Background(), wait)
	defer done()
	return srv.Shutdown(limit) == nil
}

// listen opens the address, or takes over the parent's socket.
func listen(opts *ServeOptions, link *link) (net.Listener, error) {
	if link != nil {
		l, err := net.FileListener(link.socket)
		_ = link.socket.Close()
		if err != nil {
			return nil, fmt.Errorf("embedded ClickHouse: the parent's socket: %w", err)
		}
		return l, nil
	}
	return listenOn(opts.Listen, opts.AllowRemote)
}

func listenOn(addr string, allowRemote bool) (net.Listener, error) {
	if err := checkListen(addr, allowRemote); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("embedded ClickHouse: %s is in use by another process; stop that one, or give another port (0 takes a free one)", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: listen on %s: %w", addr, err)
	}
	return l, nil
}

// orphanGrace is how long a child goes on after a SIGTERM that may be meant
// for its whole group: the parent, which got it too, still has rows to write.
const orphanGrace = 30 * time.Second

// stopOnSignal ends the server on SIGTERM or SIGINT. A child leaves the end to
// its parent as long as that is alive and takes no longer than orphanGrace.
func stopOnSignal(cancel context.CancelCauseFunc, link *link, log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-ended:
				return
			case sig := <-signals:
				if link == nil || sig == syscall.SIGHUP {
					cancel(fmt.Errorf("signal %v", sig))
					return
				}
				log.Info("embedded ClickHouse got a signal; it stops when its parent does", "signal", sig.String(), "at_most", orphanGrace)
				time.AfterFunc(orphanGrace, func() { cancel(fmt.Errorf("signal %v", sig)) })
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(ended)
	}
}

// report is what a child tells its parent: that it is ready, or why it is not.
type report struct {
	Addr    string `json:"addr,omitempty"`
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

// link is a child's side of the pipes to its parent.
type link struct {
	control *os.File // options come through it; its end is the order to stop
	reports *os.File
	socket  *os.File
	decoder *json.Decoder
}

// linkVariable is set in the environment of a child of Start.
const linkVariable = "SLUICE_EMBEDDED_CHILD"

// IsChild reports whether this process was started by [Start] and has not
// called [Serve] yet. A child logs in JSON, which the parent logs as its own.
func IsChild() bool { return os.Getenv(linkVariable) != "" }

// parentLink finds the pipes of a child; nil in any other process.
func parentLink() (*link, error) {
	if os.Getenv(linkVariable) == "" {
		return nil, nil
	}
	// A process started from here is no child of that parent.
	if err := os.Unsetenv(linkVariable); err != nil {
		return nil, err
	}
	for fd := 3; fd <= 5; fd++ {
		syscall.CloseOnExec(fd)
	}
	return &link{control: os.NewFile(3, "control"), reports: os.NewFile(4, "reports"), socket: os.NewFile(5, "socket")}, nil
}

func (l *link) receive(opts *ServeOptions) error {
	l.decoder = json.NewDecoder(l.control)
	logger, stdout := opts.Logger, opts.Stdout
	if err := l.decoder.Decode(opts); err != nil {
		return fmt.Errorf("embedded ClickHouse: options from the parent: %w", err)
	}
	opts.Logger, opts.Stdout = logger, stdout
	return nil
}

// watch ends the server when the parent closes the control pipe, by Stop or by
// its death.
func (l *link) watch(cancel context.CancelCauseFunc) {
	_, _ = io.Copy(io.Discard, l.control)
	cancel(errors.New("the parent has closed the pipe"))
}

func (l *link) report(r report) {
	_ = json.NewEncoder(l.reports).Encode(r)
}

func (l *link) close() {
	_ = l.control.Close()
	_ = l.reports.Close()
}
