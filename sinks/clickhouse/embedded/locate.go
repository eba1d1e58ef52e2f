package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Endpoint is where an engine that runs can be reached.
type Endpoint struct {
	Addr string // host:port
	PID  int
	// Password is the writer's, "" if this user may not read it.
	Password string
}

// DSN is the writer's data source name for clickhouse-go; user is the writer's
// name ([DefaultUser] unless configured).
func (p Endpoint) DSN(user, database string) string { return dsn(p.Addr, user, p.Password, database) }

// ErrNotRunning is returned by Locate for a folder that no engine holds.
var ErrNotRunning = errors.New("no embedded ClickHouse runs on this folder")

// Locate finds the engine that holds the data folder, for another process (a
// query, a backtest) to talk to instead of opening the folder itself.
func Locate(path string) (Endpoint, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDONLY, 0)
	if err != nil {
		return Endpoint{}, fmt.Errorf("embedded ClickHouse: %s: %w", path, ErrNotRunning)
	}
	defer lock.Close()
	if unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		_ = unix.Flock(int(lock.Fd()), unix.LOCK_UN)
		return Endpoint{}, fmt.Errorf("embedded ClickHouse: %s: %w", path, ErrNotRunning)
	}
	h, err := readHolder(path)
	if err != nil || h.Addr == "" {
		return Endpoint{}, fmt.Errorf("embedded ClickHouse: the engine of %s is starting or stopping; try again", path)
	}
	p := Endpoint{Addr: h.Addr, PID: h.PID}
	if token, err := os.ReadFile(filepath.Join(path, TokenFile)); err == nil {
		p.Password = strings.TrimSpace(string(token))
	}
	return p, nil
}
