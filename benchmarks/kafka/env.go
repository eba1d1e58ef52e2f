package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

// env is what the measures share: a broker, and ClickHouse in a process of its
// own.
type env struct {
	*options
	dir    string
	broker *kafkatest.Broker

	addr, password string
	store          *process
	conn           driver.Conn
	pipelines      int
}

// newEnv starts broker and store, with their files in dir.
func newEnv(ctx context.Context, dir string, o *options) (*env, error) {
	bin, err := filepath.Abs(o.bin)
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	o.bin = bin
	e := &env{options: o, dir: dir, password: rand.Text()}
	if e.broker, err = kafkatest.Launch(dir); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "broker:", e.broker)
	if !e.broker.Real() {
		e.broker.Close()
		return nil, errors.New("the mock cluster keeps nothing: set KAFKA_LIB_PATH to what deploy/kafka/fetch.sh prints")
	}
	if err := e.openStore(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// openStore starts ClickHouse and connects to it.
func (e *env) openStore(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	if err := e.startStore(ctx); err != nil {
		return err
	}
	opt, err := clickhouse.ParseDSN(e.dsn("default"))
	if err != nil {
		return err
	}
	opt.ReadTimeout, opt.DialTimeout = time.Minute, 2*time.Second
	e.conn, err = clickhouse.Open(opt)
	return err
}

func (e *env) dsn(database string) string {
	return fmt.Sprintf("http://sluice:%s@%s/%s", e.password, e.addr, database)
}

// startStore starts the process and waits until it answers.
func (e *env) startStore(ctx context.Context) (err error) {
	e.store, err = startProcess(filepath.Join(e.dir, "store.log"), []string{"SLUICE_CLICKHOUSE_PASSWORD=" + e.password},
		e.bin, "clickhouse", "serve", "--path", filepath.Join(e.dir, "store"), "--listen", e.addr)
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if r, err := http.Get("http://" + e.addr + "/ping"); err == nil {
			return r.Body.Close()
		}
		if err := e.store.failed(); err != nil {
			return fmt.Errorf("ClickHouse: %w", err)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("ClickHouse does not answer after a minute")
}

func (e *env) close() {
	if e.conn != nil {
		_ = e.conn.Close()
	}
	if e.store != nil {
		e.store.Kill() // what it holds is thrown away
	}
	e.broker.Close()
}

// count returns the number of posts in a database; 0 while there is no table,
// or ClickHouse is away.
func (e *env) count(ctx context.Context, database string) (n uint64) {
	_ = e.conn.QueryRow(ctx, "SELECT count() FROM "+database+".posts").Scan(&n) // 0 then
	return n
}

// check makes sure that each of n posts is there once.
func (e *env) check(ctx context.Context, database string, n uint64) error {
	var rows, ids uint64
	if err := e.conn.QueryRow(ctx, "SELECT count(), uniqExact(id) FROM "+database+".posts").Scan(&rows, &ids); err != nil {
		return err
	}
	if rows != n || ids != n {
		return fmt.Errorf("%s.posts has %d rows of %d posts, want %d", database, rows, ids, n)
	}
	return nil
}

// pipelineText is what a pipeline runs: the steps of the example with its lists
// and rules, and a rule of our own for the latency of alerts.
const pipelineText = `pipeline: bench
source: %s
steps:
  - normalize
  - tokenize
  - fingerprint
  - match:
      lists:
        extremist_terms: { path: lists/extremist.csv }
        news_context:    { path: lists/news_context.txt }
        spam_phrases:    { path: lists/spam_phrases.txt }
        short_links:     { path: lists/short_links.txt, on: url_domains }
        planted:         { path: lists/planted.txt }
  - rules: { files: ["rules/*.yaml"] }
sinks:
  - clickhouse: { dsn: %q }
%s
engine: %s
admin: { listen: "off" }
`

const plantedRule = `- id: planted
  version: 1
  owner: bench
  severity: high
  mode: live
  labels: [bench/planted]
  description: A post that the measure of latency has planted.
  when: match.planted >= 1
  tests:
    - post: { text: "a zqxplanted word" }
      expect: match
    - post: { text: "another word" }
      expect: no_match
`

// job describes processes that read one topic into one database.
type job struct {
	topic, messages, database string
	sinks                     string // further ones, as YAML
	group                     bool
}

// start starts a process of the pipeline with a checkpoint folder of its own.
func (e *env) start(j job) (*process, error) {
	assign := ""
	if j.group {
		assign = ", assign: group"
	}
	return e.launch(j, fmt.Sprintf("{ kafka: { brokers: [%q], topics: [%s], group: %s, messages: %s%s } }", e.broker.Servers, j.topic, j.database, j.messages, assign))
}

// prepare makes the tables of a job, by a run on an empty file: a pipeline that
// is started finds them there.
func (e *env) prepare(j job) error {
	empty := filepath.Join(e.dir, "empty.jsonl")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return err
	}
	j.sinks = ""
	p, err := e.launch(j, fmt.Sprintf("{ file: { paths: [%q] } }", empty))
	if err != nil {
		return err
	}
	<-p.Ended
	if p.Err != nil {
		return fmt.Errorf("making the tables: %w\n%s", p.Err, p.tail())
	}
	return nil
}

// launch starts a process of the pipeline with a source, given as YAML.
func (e *env) launch(j job, source string) (*process, error) {
	e.pipelines++
	dir := filepath.Join(e.dir, fmt.Sprintf("pipeline-%d", e.pipelines))
	for _, sub := range []string{"lists", "rules"} {
		if err := os.CopyFS(filepath.Join(dir, sub), os.DirFS(filepath.Join("deploy/examples", sub))); err != nil {
			return nil, fmt.Errorf("%w: run it from the repository's root", err)
		}
	}
	text := fmt.Sprintf(pipelineText, source, e.dsn(j.database), j.sinks, e.engineText())
	file := filepath.Join(dir, "bench.yaml")
	err := errors.Join(os.WriteFile(file, []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "lists/planted.txt"), []byte("zqxplanted\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "rules/planted.yaml"), []byte(plantedRule), 0o600))
	if err != nil {
		return nil, err
	}
	return startProcess(filepath.Join(dir, "log"), nil, e.bin, "run", "--quiet", file)
}

// engineText is the pipeline's engine, as YAML.
func (e *env) engineText() string {
	if e.engine == "" {
		return "{}"
	}
	return e.engine
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// say tells how far the measures are.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, strings.TrimSpace(format)+"\n", args...) }
