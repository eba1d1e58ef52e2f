package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// store is ClickHouse: `sluice clickhouse serve` as a process of its own, which
// keeps its folder and port when it is killed and started again.
type store struct {
	bin, dir, addr, password string
	proc                     *process
	conn                     driver.Conn
}

func newStore(ctx context.Context, bin, dir string) (*store, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &store{bin: bin, dir: dir, addr: l.Addr().String(), password: rand.Text()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	opt, err := clickhouse.ParseDSN(s.dsn("default"))
	if err == nil {
		opt.ReadTimeout, opt.DialTimeout = 5*time.Minute, 5*time.Second
		s.conn, err = clickhouse.Open(opt)
	}
	if err != nil {
		s.proc.Kill()
		return nil, err
	}
	return s, nil
}

func (s *store) dsn(database string) string {
	return fmt.Sprintf("http://sluice:%s@%s/%s", s.password, s.addr, database)
}

// start starts the process and waits until it answers.
func (s *store) start(ctx context.Context) (err error) {
	s.proc, err = startProcess(filepath.Join(s.dir, "store.log"), []string{"SLUICE_CLICKHOUSE_PASSWORD=" + s.password},
		s.bin, "clickhouse", "serve", "--path", filepath.Join(s.dir, "store"), "--listen", s.addr)
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if r, err := http.Get("http://" + s.addr + "/ping"); err == nil {
			return r.Body.Close()
		}
		if !s.proc.Running() {
			return fmt.Errorf("the store ended: %s\n%s", s.proc.Cmd.ProcessState, logTail(s.proc.Log, 20))
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the store does not answer after a minute\n%s", logTail(s.proc.Log, 20))
}

// fault does to the process what e says, and undoes it.
func (s *store) fault(ctx context.Context, e event) error {
	if e.kind == storeStop {
		s.proc.Signal(syscall.SIGSTOP)
		err := sleep(ctx, e.lasts)
		s.proc.Signal(syscall.SIGCONT)
		return err
	}
	s.proc.Kill()
	if err := sleep(ctx, e.lasts); err != nil {
		return err
	}
	return s.start(ctx)
}

func (s *store) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.proc.Signal(syscall.SIGCONT)
	_ = s.proc.stop(30 * time.Second) // what it holds is thrown away
}

// value returns the one value that a query gives.
func value[T any](ctx context.Context, s *store, query string, args ...any) (out T, err error) {
	if err = s.conn.QueryRow(ctx, query, args...).Scan(&out); err != nil {
		err = fmt.Errorf("%s: %w", query, err)
	}
	return out, err
}

// each calls f for every row of a query; scan puts its columns into variables.
func (s *store) each(ctx context.Context, query string, f func(scan func(...any) error) error) error {
	rows, err := s.conn.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return rows.Err()
}
