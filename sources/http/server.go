package http

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"

	"github.com/sluicehq/sluice/internal/spool"
)

// server takes requests and puts them into the spool.
type server struct {
	*plan
	spool    *spool.Spool
	http     *http.Server
	listener net.Listener
	done     chan struct{} // closed when the server has ended
	refusing atomic.Bool   // the source is being stopped

	tokens [][sha256.Size]byte // hashes, so that comparing tells no length
	limits []*rate.Limiter     // by token; one without tokens; nil without a rate
	turns  chan struct{}       // as many as bodies may be read at a time
	bodies sync.Pool           // *scratch
}

// scratch is the memory of one request.
type scratch struct{ body, records []byte }

// maxScratch is how much of a request's memory is kept for the next one.
const maxScratch = 1 << 20

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = 5 * time.Second
	turnWait      = time.Second
	maxHeader     = 64 << 10
	maxKey        = 255 // bytes of an Idempotency-Key
)

// listen starts the server.
func (s *source) listen() (*server, error) {
	v := &server{plan: s.plan, spool: s.feed.Spool, done: make(chan struct{}), turns: make(chan struct{}, s.cfg.MaxRequests)}
	v.bodies.New = func() any { return &scratch{} }
	for _, t := range s.cfg.Tokens {
		v.tokens = append(v.tokens, sha256.Sum256([]byte(t.Reveal())))
	}
	if s.cfg.Rate > 0 {
		for range max(1, len(v.tokens)) {
			v.limits = append(v.limits, rate.NewLimiter(rate.Limit(s.cfg.Rate), s.cfg.Burst))
		}
	}
	v.http = &http.Server{
		Handler: v, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: min(headerTimeout, s.cfg.ReadTimeout), ReadTimeout: s.cfg.ReadTimeout,
		WriteTimeout: s.cfg.ReadTimeout + s.cfg.AckTimeout + headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	if s.cfg.TLS.Cert != "" {
		// Not by the pipeline's files: they are kept in the checkpoint, where a
		// key has no place.
		cert, err := tls.LoadX509KeyPair(s.absolute(s.cfg.TLS.Cert), s.absolute(s.cfg.TLS.Key))
		if err != nil {
			return nil, fmt.Errorf("http: tls: %w", err)
		}
		v.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("http: listen: %w: choose another address", err)
	}
	v.listener = netutil.LimitListener(l, s.cfg.MaxConnections)
	go v.serve()
	s.logger.Info("listening for posts", "address", l.Addr().String(), "path", s.cfg.Path, "tls", s.cfg.TLS.Cert != "", "tokens", len(v.tokens))
	return v, nil
}

func (v *server) serve() {
	defer close(v.done)
	var err error
	if v.http.TLSConfig != nil {
		err = v.http.ServeTLS(v.listener, "", "")
	} else {
		err = v.http.Serve(v.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		v.spool.Fail(fmt.Errorf("the server has ended: %w", err)) // a source that hears nothing must not look well
	}
}

// refuse answers 503 from now on.
func (v *server) refuse() { v.refusing.Store(true) }

// close ends the server: those who wait have been woken by the spool's end.
func (v *server) close(ctx context.Context) {
	v.refuse()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if v.http.Shutdown(ctx) != nil {
		_ = v.http.Close()
	}
	<-v.done
}

// answer is the body of every answer.
type answer struct {
	Records *int   `json:"records,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (v *server) send(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a client that is gone sends it again
}

func (v *server) fail(w http.ResponseWriter, status int, format string, args ...any) {
	v.send(w, status, answer{Error: fmt.Sprintf(format, args...)})
}

// later is fail with the time after which it may go better.
func (v *server) later(w http.ResponseWriter, status int, after time.Duration, format string, args ...any) {
	w.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(after.Seconds())))))
	v.fail(w, status, format, args...)
}

// ServeHTTP implements http.Handler.
func (v *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != v.cfg.Path {
		v.fail(w, http.StatusNotFound, "nothing is here: POST to %s", v.cfg.Path)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		v.fail(w, http.StatusMethodNotAllowed, "POST JSON lines or one JSON array of posts to %s", v.cfg.Path)
		return
	}
	token, ok := v.token(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		v.fail(w, http.StatusUnauthorized, "a token is needed: send the header Authorization: Bearer TOKEN with one of the source's tokens")
		return
	}
	if v.refusing.Load() {
		w.Header().Set("Connection", "close")
		v.later(w, http.StatusServiceUnavailable, time.Second, "the pipeline is being stopped")
		return
	}
	if v.limits != nil {
		if wait := reserve(v.limits[max(token, 0)]); wait > 0 {
			v.later(w, http.StatusTooManyRequests, wait, "more than %g requests a second", v.cfg.Rate)
			return
		}
	}
	v.post(w, r, token)
}

// reserve takes a request from the limit, or returns how long to wait.
func reserve(l *rate.Limiter) time.Duration {
	now := time.Now()
	res := l.ReserveN(now, 1)
	wait := res.DelayFrom(now)
	if wait > 0 {
		res.CancelAt(now)
	}
	return wait
}

// token returns which token the request has; -1 when none is needed. It takes
// the same time for each one that is wrong.
func (v *server) token(r *http.Request) (int, bool) {
	if len(v.tokens) == 0 {
		return -1, true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum, found := sha256.Sum256([]byte(strings.TrimSpace(given))), -1
	for i := range v.tokens {
		if subtle.ConstantTimeCompare(sum[:], v.tokens[i][:]) == 1 {
			found = i
		}
	}
	return found, found >= 0 && strings.EqualFold(scheme, "Bearer")
}

// post takes a body into the spool and answers.
func (v *server) post(w http.ResponseWriter, r *http.Request, token int) {
	key, err := v.key(r, token)
	if err != nil {
		v.fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	if !v.turn(r.Context()) {
		v.later(w, http.StatusServiceUnavailable, time.Second, "%d requests are being read already", cap(v.turns))
		return
	}
	receipt, err := v.take(w, r, key)
	<-v.turns
	switch {
	case err != nil:
		v.refused(w, r, err)
	case receipt.Other:
		v.fail(w, http.StatusUnprocessableEntity, "the Idempotency-Key was used for another body: use a new one for each body")
	case receipt.Records == 0:
		v.send(w, http.StatusOK, answer{Records: &receipt.Records})
	default:
		v.send(w, v.acknowledge(r.Context(), receipt.End), answer{Records: &receipt.Records})
	}
}

// turn waits a little until a body may be read.
func (v *server) turn(ctx context.Context) bool {
	t := time.NewTimer(turnWait)
	defer t.Stop()
	select {
	case v.turns <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return false
}

// key returns the name of the request, which is its token's own.
func (v *server) key(r *http.Request, token int) (spool.Key, error) {
	name := r.Header.Get("Idempotency-Key")
	if name == "" {
		name = r.Header.Get("X-Request-Id")
	}
	if name == "" {
		return spool.Key{}, nil
	}
	if len(name) > maxKey {
		return spool.Key{}, fmt.Errorf("the Idempotency-Key has %d bytes: use at most %d", len(name), maxKey)
	}
	h := sha256.New()
	if token >= 0 {
		h.Write(v.tokens[token][:])
	}
	h.Write([]byte(name))
	return spool.Key(h.Sum(nil)), nil
}

// take reads, cuts and stores a body.
func (v *server) take(w http.ResponseWriter, r *http.Request, key spool.Key) (spool.Receipt, error) {
	if r.ContentLength > int64(v.cfg.MaxBody) {
		return spool.Receipt{}, errTooLarge
	}
	m := v.bodies.Get().(*scratch)
	defer func() {
		if cap(m.body) <= maxScratch && cap(m.records) <= maxScratch {
			v.bodies.Put(m)
		}
	}()
	var err error
	limited := http.MaxBytesReader(w, r.Body, int64(v.cfg.MaxBody))
	m.body, err = readBody(m.body[:0], limited, r.Header.Get("Content-Encoding"), int(v.cfg.MaxBody))
	if err != nil {
		return spool.Receipt{}, err
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	e := spool.Entry{Key: key, Digest: xxh3.Hash(m.body)}
	m.records, e.Records, err = cut(m.records[:0], m.body, strings.TrimSpace(kind) == "application/json")
	if err != nil || e.Records == 0 {
		return spool.Receipt{}, err
	}
	e.Data = m.records
	return v.spool.Append(r.Context(), e)
}

// acknowledge waits as long as the config says and returns the status.
func (v *server) acknowledge(ctx context.Context, end uint64) int {
	if v.cfg.Ack == "accepted" {
		return http.StatusAccepted
	}
	ctx, cancel := context.WithTimeout(ctx, v.cfg.AckTimeout)
	defer cancel()
	if v.spool.WaitCommitted(ctx, end) != nil {
		return http.StatusAccepted // it is in the spool: this run or the next one writes it
	}
	return http.StatusOK
}

// refused answers a request of which nothing was taken.
func (v *server) refused(w http.ResponseWriter, r *http.Request, err error) {
	var tooLong *http.MaxBytesError
	var wrong *bodyError
	var timeout net.Error
	switch {
	case errors.Is(err, errTooLarge), errors.As(err, &tooLong):
		v.fail(w, http.StatusRequestEntityTooLarge, "the body is larger than %s: send it in parts, or raise max_body", v.cfg.MaxBody)
	case errors.As(err, &wrong):
		v.fail(w, http.StatusBadRequest, "%v", err)
	case errors.Is(err, errEncoding):
		w.Header().Set("Accept-Encoding", "gzip, zstd")
		v.fail(w, http.StatusUnsupportedMediaType, "%v", err)
	case errors.Is(err, spool.ErrPending):
		v.later(w, http.StatusServiceUnavailable, time.Second, "%v: %s of max_pending %s", err, byteSize(v.spool.Pending()), v.cfg.MaxPending)
	case errors.Is(err, spool.ErrNoSpace):
		v.logger.Error("a request was refused", "error", err)
		v.later(w, http.StatusInsufficientStorage, 10*time.Second, "%v", spool.ErrNoSpace)
	case errors.Is(err, spool.ErrClosed):
		v.later(w, http.StatusServiceUnavailable, time.Second, "the pipeline is being stopped")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		w.Header().Set("Connection", "close")
		v.fail(w, http.StatusRequestTimeout, "the body did not come within %s", v.cfg.ReadTimeout)
	case r.Context().Err() != nil:
		v.fail(w, http.StatusBadRequest, "the request was given up")
	case v.isStorage(err):
		v.logger.Error("a request was refused", "error", err)
		v.later(w, http.StatusInternalServerError, 10*time.Second, "the spool could not be written")
	default:
		v.fail(w, http.StatusBadRequest, "the body cannot be read: %v", err)
	}
}

// isStorage tells the faults of our disk from those of the body.
func (v *server) isStorage(err error) bool { return strings.HasPrefix(err.Error(), "spool: ") }

func byteSize(n int64) string { return strconv.FormatInt(n>>10, 10) + "KiB" }
