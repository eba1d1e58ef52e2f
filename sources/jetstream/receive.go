package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/spool"
)

const (
	// maxFrame bounds a frame, before and after decompression.
	maxFrame = 4 << 20
	// batchBytes and batchAge bound what is gathered before it is put into the
	// spool.
	batchBytes = 256 << 10
	batchAge   = 50 * time.Millisecond

	// framesAhead bounds what is read and not taken.
	framesAhead = 32

	dialTimeout = 20 * time.Second
	retryFirst  = 250 * time.Millisecond
	roomWait    = 100 * time.Millisecond
	// remembers is how much longer than the rewind events are remembered: another
	// server's clock may be ahead.
	remembers = 2
)

// receiver takes events from the servers into the spool.
type receiver struct {
	*source
	zstd   *zstd.Decoder // nil for plain frames
	window *window
	next   uint64 // number of the next record
	start  int64  // cursor while there is no event
	urls   []string
	at     int // the url that is taken

	batch   []byte
	records int
}

// newReceiver reads what the spool holds to know its last events again.
func (s *source) newReceiver(ctx context.Context) (*receiver, error) {
	r := &receiver{source: s, urls: s.cfg.urls(), window: newWindow(remembers * s.cfg.Rewind.Microseconds())}
	var err error
	if r.start, err = parseStart(s.cfg.Start, time.Now()); err != nil {
		return nil, err
	}
	if s.cfg.Compress {
		if r.zstd, err = s.newZstd(); err != nil {
			return nil, err
		}
	}
	at, next := s.feed.Range()
	in := s.feed.NewReader(at)
	defer in.Close()
	for b := new(spool.Batch); at < next; at += uint64(b.Records()) {
		if err := in.Next(ctx, batchBytes, next, b); err != nil {
			return nil, err
		}
		for i := range b.Records() {
			r.window.add(scanEvent(b.Data[b.Bounds[i]:b.Bounds[i+1]]), at+uint64(i))
		}
	}
	r.next = next
	r.keepWindow()
	return r, nil
}

// keepWindow tells Keep what the window needs.
func (r *receiver) keepWindow() {
	if n, ok := r.window.first(); ok {
		r.oldest.Store(n)
	}
}

// cursor is where the next connection begins; 0 is the live end.
func (r *receiver) cursor() int64 {
	if r.window.last == 0 {
		return r.start
	}
	return max(r.window.last-r.cfg.Rewind.Microseconds(), 1)
}

// refusedError is a server's answer that will not change by asking again.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// run connects, again and again, until ctx ends or the spool fails.
func (r *receiver) run(ctx context.Context) {
	if r.zstd != nil {
		defer r.zstd.Close()
	}
	wait, failures, ever := retryFirst, 0, false
	for {
		url := r.urls[r.at]
		got, err := r.connection(ctx, url)
		if ferr := r.flush(ctx); ferr != nil {
			err = ferr
		}
		if ctx.Err() != nil {
			return
		}
		if got > 0 {
			wait, failures, ever = retryFirst, 0, true
		} else {
			failures++
		}
		var refused *refusedError
		var broken *storageError
		if errors.As(err, &broken) || errors.As(err, &refused) && !ever && failures >= len(r.urls) {
			r.feed.Fail(err)
			return
		}
		r.at = (r.at + 1) % len(r.urls)
		// All servers are tried before it waits longer.
		pause := time.Duration(0)
		if failures == 0 || failures%len(r.urls) == 0 {
			pause = min(wait, r.cfg.RetryMax)
			pause = pause/2 + rand.N(pause/2+1) // so that many clients do not come back at once
			wait = min(2*wait, r.cfg.RetryMax)
		}
		r.logger.Warn("the connection to Jetstream ended, connecting again", "url", url, "next", r.urls[r.at], "events", got, "error", err, "wait", pause.Round(time.Millisecond))
		if !sleep(ctx, pause) {
			return
		}
	}
}

// sleep waits; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// connection receives from one server until there is a fault, which it returns,
// with the number of events that were new.
func (r *receiver) connection(ctx context.Context, url string) (got int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, cursor, err := r.dial(ctx, url)
	if err != nil {
		return 0, err
	}
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer func() { _ = conn.CloseNow() }()
	defer cancel(nil)
	frames := make(chan []byte, framesAhead)
	helpers.Go(func() { r.ping(ctx, conn, cancel) })
	helpers.Go(func() {
		defer close(frames)
		r.read(ctx, conn, frames, cancel)
	})
	flush := time.NewTicker(batchAge)
	defer flush.Stop()
	idle := time.NewTimer(r.cfg.IdleTimeout)
	defer idle.Stop()
	for first := true; ; {
		select {
		case f, ok := <-frames:
			if !ok {
				return got, context.Cause(ctx)
			}
			if first {
				first = false
				r.tellGap(cursor, f)
			}
			idle.Reset(r.cfg.IdleTimeout)
			fresh, err := r.take(ctx, f)
			if fresh {
				got++
			}
			if err != nil {
				return got, err
			}
		case <-flush.C:
			if err := r.flush(ctx); err != nil {
				return got, err
			}
		case <-idle.C:
			return got, fmt.Errorf("no event for %s", r.cfg.IdleTimeout)
		}
	}
}

func (r *receiver) dial(ctx context.Context, url string) (*websocket.Conn, int64, error) {
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	cursor := r.cursor()
	//nolint:bodyclose // the library: "You never need to close resp.Body yourself"
	conn, res, err := websocket.Dial(dctx, url+"?"+r.cfg.query(cursor), &websocket.DialOptions{HTTPHeader: http.Header{"User-Agent": {"sluice"}}})
	if err != nil {
		err = fmt.Errorf("connecting to %s: %w", url, err)
		if res != nil && res.StatusCode >= 400 && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
			body, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // what there is of it
			err = &refusedError{fmt.Errorf("%w: %s", err, strings.TrimSpace(string(body)))}
		}
		return nil, 0, err
	}
	conn.SetReadLimit(maxFrame)
	if hello := r.cfg.hello(); hello != nil {
		if err := conn.Write(dctx, websocket.MessageText, hello); err != nil {
			_ = conn.CloseNow()
			return nil, 0, fmt.Errorf("asking %s for the accounts: %w", url, err)
		}
	}
	r.logger.Info("connected to Jetstream", "url", url, "cursor", cursor)
	return conn, cursor, nil
}

// ping looks whether the server is there, also when it has nothing to send.
func (r *receiver) ping(ctx context.Context, conn *websocket.Conn, fail context.CancelCauseFunc) {
	for sleep(ctx, r.cfg.PingTimeout) {
		pctx, cancel := context.WithTimeout(ctx, r.cfg.PingTimeout)
		err := conn.Ping(pctx)
		cancel()
		if err != nil {
			fail(fmt.Errorf("a ping was not answered within %s: %w", r.cfg.PingTimeout, err))
			return
		}
	}
}

// read takes frames off the connection.
func (r *receiver) read(ctx context.Context, conn *websocket.Conn, out chan<- []byte, fail context.CancelCauseFunc) {
	for {
		kind, f, err := conn.Read(ctx)
		if err == nil && kind == websocket.MessageBinary {
			if r.zstd == nil {
				err = errors.New("a binary frame came, though compress is off")
			} else if f, err = r.zstd.DecodeAll(f, nil); err != nil {
				err = fmt.Errorf("a compressed frame cannot be read: %w: is the dictionary that of the server?", err)
			}
		}
		if err != nil {
			fail(err)
			return
		}
		select {
		case out <- f:
		case <-ctx.Done():
			return
		}
	}
}

// tellGap warns when the first event of a connection is later than the one that
// was asked for by so much that some in between are gone.
func (r *receiver) tellGap(cursor int64, frame []byte) {
	e := scanEvent(frame)
	if r.window.last > 0 && cursor > 0 && e.timeUS > r.window.last+time.Minute.Microseconds() {
		r.logger.Warn("the server's log may not reach back to the last event: those in between are lost", "last", time.UnixMicro(r.window.last).UTC(), "first", time.UnixMicro(e.timeUS).UTC())
	}
}

// take puts a frame into the batch; false if it is there already.
func (r *receiver) take(ctx context.Context, f []byte) (fresh bool, err error) {
	if len(f) == 0 || !r.window.add(scanEvent(f), r.next) {
		return false, nil
	}
	r.next++
	r.records++
	r.batch = spool.AppendRecord(r.batch, f)
	if len(r.batch) < batchBytes {
		return true, nil
	}
	return true, r.flush(ctx)
}

// storageError is a fault of the spool, which no other server mends.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

// flush puts the batch into the spool. While too much waits, or the disk is
// full, it waits: the server may give up meanwhile, and is asked again later.
func (r *receiver) flush(ctx context.Context) error {
	if r.records == 0 {
		return nil
	}
	for told := false; ; {
		_, err := r.feed.Append(ctx, spool.Entry{Records: r.records, Data: r.batch})
		switch {
		case err == nil:
			r.batch, r.records = r.batch[:0], 0
			r.keepWindow()
			return nil
		case errors.Is(err, spool.ErrPending), errors.Is(err, spool.ErrNoSpace):
			if !told {
				r.logger.Warn("not receiving for the moment", "error", err)
				told = true
			}
			if !sleep(ctx, roomWait) {
				return ctx.Err()
			}
		default:
			return &storageError{err}
		}
	}
}
