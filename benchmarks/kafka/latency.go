package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// warmUp is how long posts flow before they are measured.
const warmUp = 10 * time.Second

// pollEvery is how often is asked which posts are visible: so much too long a
// latency may seem at the most, beside the time of the question.
const pollEvery = 50 * time.Millisecond

// latency writes posts at a steady rate and measures, for each, the time until
// a SELECT has returned it, and for planted ones until a webhook was called.
func latency(ctx context.Context, e *env, report *strings.Builder) error {
	const database = "latency"
	hook, err := newReceiver()
	if err != nil {
		return err
	}
	defer hook.close()
	j := job{topic: "live", messages: "post", database: database, sinks: fmt.Sprintf(
		`  - alert: { rules: [planted], by: [author_id], targets: { bench: { webhook: { url: %q }, allow_private: true } } }`, hook.url)}
	if err := e.prepare(j); err != nil {
		return err
	}
	produce, stop := context.WithTimeout(ctx, warmUp+e.lasts)
	defer stop()
	sent := &ledger{posts: map[int64]uint64{}}
	var produced error
	begun, before := time.Now(), e.store.cpu()
	var done sync.WaitGroup
	done.Go(func() { produced = e.live(produce, j.topic, sent) })
	if err := sleep(ctx, 500*time.Millisecond); err != nil { // the topic is made
		return err
	}
	p, err := e.start(j)
	if err != nil {
		return err
	}
	defer p.Kill()
	v := &visible{e: e, database: database, sent: sent, seen: map[int64]uint64{}, after: begun.UnixMilli(), from: begun.Add(warmUp).UnixMilli(), latencies: map[int64]uint64{}}
	for produce.Err() == nil || v.rows < sent.total() {
		if err := p.failed(); err != nil {
			return err
		}
		if time.Since(begun) > warmUp+e.lasts+time.Minute {
			return fmt.Errorf("%d of %d posts are visible a minute after the last", v.rows, sent.total())
		}
		if err := v.poll(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
	done.Wait()
	if err := sleep(ctx, 3*time.Second); err != nil { // the last alerts
		return err
	}
	store, ran := e.store.cpu()-before, time.Since(begun)
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / ran.Seconds() }
	if err := errors.Join(produced, p.stop(), e.check(ctx, database, sent.total())); err != nil {
		return err
	}
	fmt.Fprintf(report, "%d posts/s (%.0f were reached) for %s after %s to warm up, 1 post a message; %d posts, each visible once; pipeline %.0f %% of a core, ClickHouse %.0f %%; engine %s; load at the end %s\n\n",
		e.rate, float64(sent.since(v.from))/e.lasts.Seconds(), e.lasts, warmUp, sent.total(), share(p.used()), share(store), e.engineText(), load())
	report.WriteString("| from created_at to | measured by | p50 | p99 | most |\n|---|---|---:|---:|---:|\n")
	fmt.Fprintf(report, "| visible in ClickHouse | a SELECT every %s that finds it; its end counts | %s |\n", pollEvery, v.quantiles())
	stamp, err := v.inserted(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(report, "| inserted_at | ClickHouse's clock when it takes the block | %s |\n", stamp)
	cells, n := hook.quantiles(v.from)
	if want := sent.since(v.from) / 1000; n < want*95/100 {
		return fmt.Errorf("the webhook was called for %d alerts, want some %d", n, want)
	}
	fmt.Fprintf(report, "| webhook on loopback called | one post in 1,000 begins an alert of its own, group_wait 1 s; %d alerts | %s |\n\n", n, cells)
	return e.conn.Exec(ctx, "DROP DATABASE "+database)
}

// ledger counts posts by the ms of their created_at.
type ledger struct {
	mu    sync.Mutex
	posts map[int64]uint64
	last  int64 // the newest ms
	sum   uint64
}

func (l *ledger) add(ms int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts[ms]++
	l.last = ms
	l.sum++
}

func (l *ledger) total() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sum
}

// since returns how many posts were created at ms or later.
func (l *ledger) since(ms int64) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, posts := range l.posts {
		if at >= ms {
			n += int(posts)
		}
	}
	return n
}

// complete returns the first ms from ms on of which not all posts were seen, or
// which may get more.
func (l *ledger) complete(ms int64, seen map[int64]uint64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ms < l.last && seen[ms] == l.posts[ms] {
		ms++
	}
	return ms
}

// visible finds out when posts become visible.
type visible struct {
	e         *env
	database  string
	sent      *ledger
	seen      map[int64]uint64 // posts by created_at in ms
	after     int64            // all that were created before it are seen
	rows      uint64
	from      int64            // created_at from which on latencies count
	latencies map[int64]uint64 // ms: posts
}

// poll asks for the posts from the first on that was not seen, and takes note
// of those that were not there before, as of the moment at which the answer was
// there.
func (v *visible) poll(ctx context.Context) error {
	v.after = v.sent.complete(v.after, v.seen)
	rows, err := v.e.conn.Query(ctx, "SELECT toUnixTimestamp64Milli(created_at) AS ms, count() FROM "+v.database+".posts WHERE created_at >= fromUnixTimestamp64Milli(?) GROUP BY ms", v.after)
	if err != nil {
		if v.rows == 0 && strings.Contains(err.Error(), "UNKNOWN") { // no table yet
			return nil
		}
		return err
	}
	defer rows.Close()
	fresh := map[int64]uint64{}
	for rows.Next() {
		var ms int64
		var n uint64
		if err := rows.Scan(&ms, &n); err != nil {
			return err
		}
		if n > v.seen[ms] {
			fresh[ms] = n - v.seen[ms]
			v.seen[ms] = n
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for ms, n := range fresh {
		v.rows += n
		if ms >= v.from {
			v.latencies[now-ms] += n
		}
	}
	return nil
}

// quantiles returns p50, p99 and the maximum as cells of a table.
func (v *visible) quantiles() string {
	var total, sum uint64
	for _, n := range v.latencies {
		total += n
	}
	var out [2]int64
	most := int64(0)
	keys := make([]int64, 0, len(v.latencies))
	for ms := range v.latencies {
		keys = append(keys, ms)
	}
	slices.Sort(keys)
	for _, ms := range keys {
		for i, q := range []float64{0.5, 0.99} {
			if limit := q * float64(total); float64(sum) < limit && float64(sum+v.latencies[ms]) >= limit {
				out[i] = ms
			}
		}
		sum += v.latencies[ms]
		most = ms
	}
	return fmt.Sprintf("%.2f s | %.2f s | %.2f s", float64(out[0])/1e3, float64(out[1])/1e3, float64(most)/1e3)
}

// inserted returns the same by inserted_at.
func (v *visible) inserted(ctx context.Context) (string, error) {
	var q []float64
	err := v.e.conn.QueryRow(ctx, "SELECT quantilesExact(0.5, 0.99, 1)(toFloat64(inserted_at) - toFloat64(created_at)) FROM "+v.database+".posts WHERE created_at >= fromUnixTimestamp64Milli(?)", v.from).Scan(&q)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.2f s | %.2f s | %.2f s", q[0], q[1], q[2]), nil
}

// receiver takes webhooks and notes how long after the post's creation they
// come.
type receiver struct {
	url    string
	server *http.Server
	mu     sync.Mutex
	took   map[int64]time.Duration // by created_at in ms; the first call of each alert
}

func newReceiver() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + l.Addr().String() + "/hook", took: map[int64]time.Duration{}}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(l) }() // it ends by close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	var m struct {
		Status string `json:"status"`
		Group  []struct {
			Value string `json:"value"`
		} `json:"group"`
	}
	if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(m.Group) != 1 || m.Status != "firing" {
		return // another message about an alert
	}
	parts := strings.Split(m.Group[0].Value, "-")
	if len(parts) != 3 {
		return
	}
	created, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.took[created]; !known {
		r.took[created] = now.Sub(time.UnixMilli(created))
	}
}

// quantiles returns p50, p99 and the maximum, of posts created from a time on,
// and how many there were.
func (r *receiver) quantiles(from int64) (cells string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for created, d := range r.took {
		if created >= from {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return "", 0
	}
	slices.Sort(all)
	at := func(q float64) float64 { return all[min(int(q*float64(len(all))), len(all)-1)].Seconds() }
	return fmt.Sprintf("%.2f s | %.2f s | %.2f s", at(0.5), at(0.99), at(1)), len(all)
}
