package alert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/sluicehq/sluice/internal/durable"
	"github.com/sluicehq/sluice/pipeline"
)

// record is one change of the store, whole or not at all.
type record struct {
	Keys   []string    `json:"keys,omitempty"`   // epochs that are counted with it
	Alerts []*alert    `json:"alerts,omitempty"` // their new states
	Drop   []string    `json:"drop,omitempty"`   // ids of alerts that are over
	Add    []*delivery `json:"add,omitempty"`    // messages to be sent
	Done   []string    `json:"done,omitempty"`   // ids of deliveries that need no more

	// With share: detections before this offset of the topic are counted, and, by
	// partition of the source, the epochs that are.
	Read    *int64               `json:"-"`
	Counted map[string][]counted `json:"-"`

	Reports  []*report `json:"reports,omitempty"`  // rows for the store; commit numbers them
	Reported uint64    `json:"reported,omitempty"` // the store has the rows up to this one
}

// delivery is a message for one target.
type delivery struct {
	ID     string   `json:"id"`
	Target string   `json:"target"`
	Born   int64    `json:"born"` // of the clock, ms
	Msg    *Message `json:"msg"`

	attempts int
	next     int64  // not before; of the clock, ms
	last     string // error of the last attempt
	busy     bool
	gone     bool
}

// counted is an epoch of which so many messages are counted, the first ones.
type counted struct {
	Epoch string `json:"epoch"`
	Parts int    `json:"parts"`
}

// Bounds of the journal.
const (
	keptKeys  = 4096     // epochs remembered, more than one process may have to write again
	keptEach  = 32       // with share: of each partition of the source, as sinks/kafka remembers
	compactAt = 16 << 20 // bytes beyond the last compaction after which it is written anew
)

// store is the sink's state: alerts, and the outbox. On disk it is a journal
// of records, one a line: the CRC-32C of the JSON in hex, a space, the JSON.
// A torn last line is what a crash leaves and is dropped; damage elsewhere is an
// error. It is not safe for several goroutines; the sink's lock guards it.
type store struct {
	dir  string
	sync bool
	file *os.File
	lock *os.File
	size int64
	base int64 // size after the last compaction

	// With share; see record.
	log     *changelog // nil: the journal is a file
	read    int64
	counted map[string][]counted

	known   map[string]bool
	keys    []string
	alerts  map[string]*alert // by ID
	current map[string]*alert // by GroupID: the one that is not closed
	byID    map[string]*delivery
	queues  map[string][]*delivery // by target, oldest first
	reports []*report              // that the store does not have yet, oldest first
	last    uint64                 // number of the newest report
	lost    int64                  // reports that were forgotten
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func newStore() *store {
	return &store{
		counted: map[string][]counted{}, known: map[string]bool{}, alerts: map[string]*alert{}, current: map[string]*alert{},
		byID: map[string]*delivery{}, queues: map[string][]*delivery{},
	}
}

// openStore opens or makes the folder. Another process that has it is an error.
func openStore(dir string, sync bool) (*store, error) {
	st := newStore()
	st.dir, st.sync = dir, sync
	// Messages quote posts: nobody else need read them.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if st.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := lock(st.lock); err != nil {
		st.lock.Close()
		return nil, fmt.Errorf("%s: another process has the folder: %w", dir, err)
	}
	if st.file, err = os.OpenFile(st.path(), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
		if err = st.load(); err == nil {
			err = st.compact()
		}
	}
	if err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

func (st *store) path() string { return filepath.Join(st.dir, "journal") }

func (st *store) load() error {
	in := bufio.NewReaderSize(st.file, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(line) == 0 {
			break
		}
		rec, ok := parseRecord(line)
		if !ok {
			if _, e := in.Peek(1); err == nil && e == nil {
				return fmt.Errorf("%s: the line at byte %d is damaged: what was told is not known any more; "+
					"move the folder away and start again, which may tell of the same things again", st.path(), st.size)
			}
			break // torn: what it says was not finished
		}
		st.size += int64(len(line))
		st.apply(rec)
	}
	if err := st.file.Truncate(st.size); err != nil {
		return err
	}
	_, err := st.file.Seek(st.size, io.SeekStart)
	return err
}

func parseRecord(line []byte) (rec record, ok bool) {
	body, ok := bytes.CutSuffix(line, []byte("\n"))
	if !ok || len(body) < 10 || body[8] != ' ' {
		return rec, false
	}
	want, err := strconv.ParseUint(string(body[:8]), 16, 32)
	if err != nil || crc(body[9:]) != uint32(want) || json.Unmarshal(body[9:], &rec) != nil {
		return rec, false
	}
	bad := slices.ContainsFunc(rec.Alerts, func(a *alert) bool { return a == nil }) ||
		slices.ContainsFunc(rec.Add, func(d *delivery) bool { return d == nil || d.Msg == nil }) ||
		slices.ContainsFunc(rec.Reports, func(r *report) bool { return r == nil })
	return rec, !bad
}

func appendRecord(dst []byte, rec record) ([]byte, error) {
	body, err := json.Marshal(rec)
	if err != nil {
		return dst, err
	}
	dst = fmt.Appendf(dst, "%08x ", crc(body))
	return append(append(dst, body...), '\n'), nil
}

// apply makes a change in memory.
func (st *store) apply(rec record) {
	for _, k := range rec.Keys {
		st.known[k] = true
		st.keys = append(st.keys, k)
	}
	for len(st.keys) > keptKeys {
		delete(st.known, st.keys[0])
		st.keys = st.keys[1:]
	}
	if rec.Read != nil {
		st.read = *rec.Read
	}
	maps.Copy(st.counted, rec.Counted)
	for _, a := range rec.Alerts {
		st.alerts[a.ID] = a
		if !a.Closed {
			st.current[a.GroupID] = a
		} else if c := st.current[a.GroupID]; c != nil && c.ID == a.ID {
			delete(st.current, a.GroupID)
		}
	}
	for _, id := range rec.Drop {
		if a := st.alerts[id]; a != nil {
			delete(st.alerts, id)
			if st.current[a.GroupID] == a {
				delete(st.current, a.GroupID)
			}
		}
	}
	for _, d := range rec.Add {
		if st.byID[d.ID] == nil {
			st.byID[d.ID] = d
			st.queues[d.Target] = append(st.queues[d.Target], d)
		}
	}
	for _, id := range rec.Done {
		if d := st.byID[id]; d != nil {
			d.gone = true
			delete(st.byID, id)
			q := st.queues[d.Target]
			if i := slices.Index(q, d); i >= 0 {
				st.queues[d.Target] = slices.Delete(q, i, i+1)
			}
		}
	}
	st.applyReports(rec)
}

// number gives reports that have no number the next ones.
func (st *store) number(rows []*report) {
	for _, r := range rows {
		if r.N == 0 {
			st.last++
			r.N = st.last
		}
		st.last = max(st.last, r.N) // of one that was read
	}
}

func (st *store) applyReports(rec record) {
	st.number(rec.Reports)
	st.reports = append(st.reports, rec.Reports...)
	n := 0
	for n < len(st.reports) && st.reports[n].N <= rec.Reported {
		n++
	}
	if over := len(st.reports) - n - maxReports; over > 0 {
		n += over
		st.lost += int64(over)
	}
	st.reports = slices.Delete(st.reports, 0, n)
}

// lasting tells whether a loss of power must not undo the record. That a message
// was taken, or rows stored, is no such thing: it would be sent again under the
// same key. A receiver that takes hundreds a second would wait for the disk else.
func (r *record) lasting() bool {
	return r.Read != nil || len(r.Keys) > 0 || len(r.Alerts) > 0 || len(r.Drop) > 0 || len(r.Add) > 0
}

// commit writes a change to the journal and then makes it. After an error
// nothing has changed.
func (st *store) commit(rec record) error {
	st.number(rec.Reports) // in the journal too: what the store has is told by number
	if st.log != nil {
		if err := st.log.commit(st, &rec); err != nil {
			return err
		}
		st.apply(rec)
		return nil
	}
	line, err := appendRecord(nil, rec)
	if err != nil {
		return err
	}
	n, err := st.file.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err == nil && st.sync && rec.lasting() {
		err = st.file.Sync()
	}
	if err != nil {
		if e := st.file.Truncate(st.size); e != nil {
			return fmt.Errorf("%w; and cutting the journal back failed: %w", err, e)
		}
		if _, e := st.file.Seek(st.size, io.SeekStart); e != nil {
			return fmt.Errorf("%w; and cutting the journal back failed: %w", err, e)
		}
		return err
	}
	st.size += int64(len(line))
	st.apply(rec)
	if st.size > 2*st.base+compactAt {
		// What was written is durable, so this is no error of the write: a
		// journal that cannot be shortened now just stays long.
		_ = st.compact()
	}
	return nil
}

// compact replaces the journal by one of what is there now.
func (st *store) compact() error {
	tmp := st.path() + ".tmp"
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	out, size := bufio.NewWriterSize(f, 1<<20), int64(0)
	var line []byte
	put := func(rec record) {
		if err == nil {
			if line, err = appendRecord(line[:0], rec); err == nil {
				_, err = out.Write(line)
				size += int64(len(line))
			}
		}
	}
	put(record{Keys: st.keys})
	for _, a := range st.alerts {
		put(record{Alerts: []*alert{a}})
	}
	for _, q := range st.queues {
		for _, d := range q {
			put(record{Add: []*delivery{d}})
		}
	}
	for part := range slices.Chunk(st.reports, 1000) {
		put(record{Reports: part})
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil && st.sync {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, st.path())
	}
	if err != nil {
		f.Close()
		return errors.Join(err, os.Remove(tmp))
	}
	st.file.Close()
	st.file, st.size, st.base = f, size, size
	if st.sync {
		return durable.SyncDir(st.dir)
	}
	return nil
}

func (st *store) close() {
	if st.log != nil {
		st.log.close()
		return
	}
	if st.file != nil {
		st.file.Close()
	}
	st.lock.Close()
}

// classify marks errors that pass when somebody makes room.
func classify(err error) error {
	for _, passing := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, passing) {
			return pipeline.Retryable(err)
		}
	}
	return err
}
