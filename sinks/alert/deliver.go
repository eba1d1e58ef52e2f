package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/visible"
)

// workersPerTarget is how many messages one target is sent at a time. Those of
// one alert go one after another.
const workersPerTarget = 4

// target is a receiver at work.
type target struct {
	name    string
	cfg     Target
	client  *http.Client // nil for mail
	mail    *mailer      // nil for all else
	workers int
	secrets []string
	wake    chan struct{}
	// attempt sends a message once; nil says that it is taken. now is when it
	// is sent.
	attempt func(ctx context.Context, m *Message, now time.Time) *failure
	// request makes the request of a message.
	request func(ctx context.Context, m *Message, now time.Time) (*http.Request, error)
	// accepted reports whether an answer says that the message is taken.
	accepted func(code int, body []byte) bool

	// Under the sink's lock.
	paused   int64 // nothing is sent before; of the clock, ms
	failures int   // in a row, to reach the target at all
	sent     int64
	retried  int64
	dead     int64
}

// keyless reports whether people see a message twice that is sent twice.
func (t *target) keyless() bool { return t.cfg.Slack != nil || t.cfg.Email != nil }

func (t *target) close() {
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
}

// rouse makes a worker look at the queue.
func (t *target) rouse() {
	for range t.workers {
		select {
		case t.wake <- struct{}{}:
		default:
			return
		}
	}
}

// failure is an attempt that did not deliver.
type failure struct {
	text  string        // shows no secret
	after time.Duration // that the receiver asked to wait
	final bool          // the same message will never be taken
	reach bool          // the target as a whole is in trouble, not the message
}

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = time.Hour

// post makes one attempt by HTTP.
func (t *target) post(ctx context.Context, m *Message, now time.Time) *failure {
	req, err := t.request(ctx, m, now)
	if err != nil {
		return &failure{text: t.redact(err.Error()), final: true}
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "Sluice")
	resp, err := t.client.Do(req)
	if err != nil {
		// The error of net/http quotes the whole address, which may be secret.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return &failure{text: t.redact(err.Error()), reach: true}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return &failure{text: "the answer broke off: " + t.redact(err.Error()), reach: true}
	}
	if t.accepted(resp.StatusCode, body) {
		return nil
	}
	f := &failure{text: fmt.Sprintf("answer %d: %s", resp.StatusCode, t.redact(visible.Text(cut(strings.ToValidUTF8(string(body), "?"), 200))))}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		f.after, f.reach = retryAfter(resp.Header.Get("Retry-After"), now), true
	case code >= 300 && code < 400:
		f.text, f.reach = fmt.Sprintf("answer %d: redirects are not followed: write the address that they lead to", code), true
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusNotFound:
		f.reach = true // of the address or the key: somebody can mend it
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooEarly:
		f.final = true
	}
	return f
}

// redact hides the target's secrets in a text that came from elsewhere.
func (t *target) redact(s string) string {
	for _, secret := range t.secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
		}
	}
	return s
}

// retryAfter reads the header Retry-After: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseInt(strings.TrimSpace(header), 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// exponential is the wait after a number of attempts: 1 s, doubled each time, 5
// minutes at the most, of which half is left to chance, so that receivers that
// come back are not met by all at once.
func exponential(attempts int) time.Duration {
	d := 5 * time.Minute
	if attempts < 9 {
		d = min(d, time.Second<<max(attempts-1, 0))
	}
	return d/2 + rand.N(d/2)
}

// work delivers the messages of a target until the sink is closed.
func (s *Sink) work(ctx context.Context, t *target) {
	for ctx.Err() == nil {
		d, wait := s.pick(t)
		if d != nil {
			f := t.attempt(ctx, d.Msg, s.now())
			s.settle(ctx, t, d, f)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.closing:
			timer.Stop()
			if d, _ := s.peek(t); !d {
				return
			}
		case <-t.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// peek reports whether something could be sent now.
func (s *Sink) peek(t *target) (ready bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, wait := s.next(t)
	return d != nil, wait
}

// pick takes the next message that may be sent, or says how long to wait.
func (s *Sink) pick(t *target) (*delivery, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, wait := s.next(t)
	if d != nil && s.st.log != nil && !s.st.log.prove(s.st) {
		return nil, s.every
	}
	if d != nil {
		d.busy = true
	}
	return d, wait
}

// next finds the oldest message whose time has come and whose alert has no
// older one that is still to be delivered.
func (s *Sink) next(t *target) (*delivery, time.Duration) {
	now := s.now().UnixMilli()
	if now < t.paused {
		return nil, s.every
	}
	blocked := map[string]bool{}
	for _, d := range s.st.queues[t.name] {
		if !d.busy && d.next <= now && !blocked[d.Msg.AlertID] {
			return d, 0
		}
		blocked[d.Msg.AlertID] = true
	}
	return nil, s.every
}

// settle takes down what came of an attempt.
func (s *Sink) settle(ctx context.Context, t *target, d *delivery, f *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.busy = false
	now := s.now().UnixMilli()
	switch {
	case d.gone:
	case f == nil:
		t.sent++
		t.failures, t.paused = 0, 0
		d.attempts++
		s.finish(d, nil, deliveryRow(d, "sent", "", now))
		if s.st.log != nil && t.keyless() {
			_ = s.st.log.flush() // at once: nobody else would know a repeat
		}
		t.rouse() // the alert's next message may go
	case ctx.Err() != nil: // cut short by Close: the next run sends it again
	case f.final:
		s.bury(t, d, f.text)
	case s.tooOld(d, now):
		s.bury(t, d, s.gaveUp(f.text))
	default:
		t.retried++
		d.attempts++
		d.last = f.text
		d.next = now + max(s.backoff(d.attempts), f.after).Milliseconds()
		if f.reach {
			t.failures++
			t.paused = now + max(s.backoff(t.failures), f.after).Milliseconds()
		}
		if d.attempts&(d.attempts-1) == 0 {
			// Not in the journal: the next attempt says it again.
			s.st.applyReports(record{Reports: s.reports(nil, deliveryRow(d, "retrying", f.text, now))})
		}
		if d.attempts == 1 || t.failures == 1 {
			s.log.Warn("a message was not delivered; it is tried again", "sink", s.name, "target", t.name, "alert", d.Msg.AlertID, "err", f.text)
		}
	}
}

func (s *Sink) tooOld(d *delivery, now int64) bool {
	return now-d.Born > s.cfg.GiveUpAfter.Milliseconds()
}

func (s *Sink) gaveUp(last string) string {
	return fmt.Sprintf("not delivered within %s; the last error: %s", s.cfg.GiveUpAfter, last)
}

// finish takes a delivery out of the outbox, with what it means to an alert and
// the row about it. Where that cannot be written down it is still not sent again
// by this process, only perhaps by the next one, under the same key.
func (s *Sink) finish(d *delivery, a *alert, row *report) {
	rec := record{Done: []string{d.ID}, Reports: s.reports(nil, row)}
	if a != nil {
		rec.Alerts = []*alert{a}
	}
	if err := s.st.commit(rec); err != nil {
		s.st.apply(rec)
		s.log.Warn("a delivery cannot be noted; a restart would send it again", "sink", s.name, "target", d.Target, "err", err)
	}
}

// maxDead is the size at which the file of dead letters is put aside.
const maxDead = 64 << 20

// bury makes a dead letter: a line in dead-letters.jsonl, and one in the log.
func (s *Sink) bury(t *target, d *delivery, reason string) {
	s.log.Error("a message became a dead letter", "sink", s.name, "target", d.Target, "alert", d.Msg.AlertID,
		"rule", d.Msg.Rule, "status", d.Msg.Status, "reason", reason, "file", s.deadPath())
	if err := s.appendDead(d, reason); err != nil {
		s.log.Error("the dead letter cannot be kept", "sink", s.name, "err", err)
	}
	if t != nil {
		t.dead++
	}
	now := s.now().UnixMilli()
	s.finish(d, s.lament(d, reason, now), deliveryRow(d, "dead", reason, now))
}

func (s *Sink) deadPath() string { return filepath.Join(s.cfg.Path, "dead-letters.jsonl") }

func (s *Sink) appendDead(d *delivery, reason string) error {
	line, err := json.Marshal(struct {
		At     time.Time `json:"at"`
		Target string    `json:"target"`
		Reason string    `json:"reason"`
		Msg    *Message  `json:"message"`
	}{s.now().UTC(), d.Target, reason, d.Msg})
	if err != nil {
		return err
	}
	path := s.deadPath()
	if info, err := os.Stat(path); err == nil && info.Size() > maxDead {
		if err := os.Rename(path, path+".1"); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
