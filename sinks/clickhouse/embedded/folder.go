package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Names of our own files in the data folder, beside the engine's.
const (
	lockName   = "sluice-engine.lock"
	configName = "sluice-engine.xml"
	// MarkerFile is in every data folder and says which engine wrote it last.
	MarkerFile = "sluice-engine.json"
	// TokenFile holds the writer's password of a server that was started
	// without one, and of a running child; only its owner can read it.
	TokenFile = "sluice-engine.token"
)

// folderFormat is the version of the layout of our own files.
const folderFormat = 1

// marker says which engine wrote a data folder last.
type marker struct {
	Format  int    `json:"format"`
	Engine  string `json:"engine"`
	Created string `json:"created"`
}

// folder is a data folder that this process holds.
type folder struct {
	path string
	lock *os.File
}

// holder is what the lock file says about the process that holds it.
type holder struct {
	PID  int    `json:"pid"`
	Addr string `json:"addr,omitempty"`
}

// openFolder creates, checks and locks the data folder. It waits up to
// wait for another process to let go of it: one that is closing after its
// parent's death, as a rule.
func openFolder(path string, minFree int64, wait time.Duration, stop <-chan struct{}) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: data folder: %w; give a path that this user may create", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: data folder %s is not writable: %w", path, err)
	}
	f := &folder{path: path, lock: lock}
	if err := f.acquire(wait, stop); err != nil {
		lock.Close()
		return nil, err
	}
	if err := f.check(minFree); err != nil {
		f.release()
		return nil, err
	}
	return f, nil
}

func (f *folder) acquire(wait time.Duration, stop <-chan struct{}) error {
	deadline := time.Now().Add(wait)
	for {
		err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			// An engine without our lock: clickhouse-local, or chdb in another program.
			if pid := f.foreignHolder(); pid != 0 {
				err = unix.EWOULDBLOCK
				_ = unix.Flock(int(f.lock.Fd()), unix.LOCK_UN)
			}
		}
		switch {
		case err == nil:
			return f.note(holder{PID: os.Getpid()})
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("embedded ClickHouse: lock %s: %w; the data folder must be on a file system with locks", f.lock.Name(), err)
		case !time.Now().Before(deadline):
			return fmt.Errorf("embedded ClickHouse: Code: 76: the data folder %s is held by another process%s, also after %s; "+
				"stop that process, or give this one another path", f.path, f.holderText(), wait)
		}
		select {
		case <-stop:
			return errors.New("embedded ClickHouse: stopped while waiting for the data folder " + f.path)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// foreignHolder is the process that holds the engine's own lock file, or 0.
func (f *folder) foreignHolder() int {
	status, err := os.Open(filepath.Join(f.path, "status"))
	if err != nil {
		return 0
	}
	defer status.Close()
	if err := unix.Flock(int(status.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		_ = unix.Flock(int(status.Fd()), unix.LOCK_UN)
		return 0
	}
	text, _ := io.ReadAll(io.LimitReader(status, 4<<10))
	for line := range strings.Lines(string(text)) {
		if pid, ok := strings.CutPrefix(line, "PID: "); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(pid)); err == nil {
				return n
			}
		}
	}
	return -1
}

func (f *folder) holderText() string {
	if pid := f.foreignHolder(); pid > 0 {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	if h, err := readHolder(f.path); err == nil && h.PID > 0 {
		return fmt.Sprintf(" (pid %d)", h.PID)
	}
	return ""
}

func readHolder(path string) (holder, error) {
	var h holder
	text, err := os.ReadFile(filepath.Join(path, lockName))
	if err != nil {
		return h, err
	}
	err = json.Unmarshal(text, &h)
	return h, err
}

// note writes into the lock file who holds it.
func (f *folder) note(h holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := f.lock.Truncate(0); err != nil {
		return fmt.Errorf("embedded ClickHouse: data folder %s: %w", f.path, err)
	}
	if _, err := f.lock.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("embedded ClickHouse: data folder %s: %w", f.path, err)
	}
	return nil
}

// check finds out early what would make the engine fail obscurely.
func (f *folder) check(minFree int64) error {
	probe, err := os.CreateTemp(f.path, "sluice-probe-")
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: data folder %s is not writable: %w", f.path, err)
	}
	_, err = probe.Write(make([]byte, 4096))
	probe.Close()
	_ = os.Remove(probe.Name())
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: data folder %s: %w; free space on that disk", f.path, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(f.path, &st); err != nil {
		return fmt.Errorf("embedded ClickHouse: data folder %s: %w", f.path, err)
	}
	if free := int64(st.Bavail) * int64(st.Bsize); free < minFree {
		return fmt.Errorf("embedded ClickHouse: data folder %s: %d MiB are free on its disk, and %d MiB are needed to start; free space there",
			f.path, free>>20, minFree>>20)
	}
	return nil
}

// checkVersion refuses a folder that a newer engine or a newer Sluice wrote.
// engine is the version of the library at hand.
func (f *folder) checkVersion(engine string) error {
	text, err := os.ReadFile(filepath.Join(f.path, MarkerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("embedded ClickHouse: %s: %w; restore the file, or delete it if the folder was written by this version",
			filepath.Join(f.path, MarkerFile), err)
	}
	if m.Format > folderFormat {
		return fmt.Errorf("embedded ClickHouse: data folder %s has format %d, this sluice knows %d; use the newer sluice that wrote it",
			f.path, m.Format, folderFormat)
	}
	if newer(m.Engine, engine) {
		return fmt.Errorf("embedded ClickHouse: data folder %s was written by engine %s, and this one is %s: an older engine may not read "+
			"it, or harm it; use libchdb %s or newer (deploy/chdb), or another path", f.path, m.Engine, engine, m.Engine)
	}
	return nil
}

// writeMarker records the engine in the folder, the newest one ever.
func (f *folder) writeMarker(engine string) error {
	name := filepath.Join(f.path, MarkerFile)
	m := marker{Created: time.Now().UTC().Format(time.RFC3339)}
	if text, err := os.ReadFile(name); err == nil {
		if err := json.Unmarshal(text, &m); err == nil && m.Format == folderFormat && m.Engine == engine {
			return nil
		}
	}
	m.Format, m.Engine = folderFormat, engine
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(name, append(text, '\n'))
}

// newer reports whether version a is of a later release line (year.month) than
// b. Patches of one line read each other's data.
func newer(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range 2 {
		var m, n int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i])
		}
		if i < len(y) {
			n, _ = strconv.Atoi(y[i])
		}
		if m != n {
			return m > n
		}
	}
	return false
}

// token returns the password kept in the folder, made on the first call; a
// given one is kept instead.
func (f *folder) token(given string) (string, error) {
	name := filepath.Join(f.path, TokenFile)
	if given == "" {
		if text, err := os.ReadFile(name); err == nil && len(strings.TrimSpace(string(text))) >= 16 {
			return strings.TrimSpace(string(text)), nil
		}
		given = newToken()
	}
	return given, writeFile(name, []byte(given+"\n"))
}

// newToken is a password that cannot be guessed: 128 random bits.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// writeFile replaces a file of ours at once and for its owner only.
func writeFile(name string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	return nil
}

// release lets go of the folder.
func (f *folder) release() {
	_ = f.lock.Truncate(0)
	_ = f.lock.Close()
}
