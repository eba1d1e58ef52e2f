// Package checkpoint keeps what a pipeline must remember to go on after a
// crash: for each partition of the source the committed position, the intents
// of epochs that may be half written, the last snapshot of operator state, and
// the config and files that those epochs were computed with.
//
// On disk it is a folder:
//
//	lock        held (flock) while a process uses the folder
//	journal     one record a line: CRC-32C in hex, a space, JSON
//	objects/    contents by SHA-256: manifests, and the files they name
//	state/      snapshots of operator state
//
// The journal only grows, and is rewritten whole (rename) when it has grown
// much. A record is written with one write call and, if asked, fsync: a torn
// last line is what a crash leaves, and is dropped; damage anywhere else is an
// error, never skipped.
package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sluicehq/sluice/internal/durable"
	"github.com/sluicehq/sluice/pipeline"
)

// formatVersion is raised when a folder can not be read by older programs.
const formatVersion = 1

// compactAt is the journal's size in bytes at which it is rewritten.
const compactAt = 1 << 20

// Intent says that an epoch over Span is about to be written to the sinks.
type Intent struct {
	Span     pipeline.Span `json:"span"`
	Manifest Hash          `json:"manifest"` // what it is computed with
}

// Partition is what is known of one partition.
type Partition struct {
	Committed pipeline.Position `json:"committed"` // everything before is durable in every sink
	Rows      int64             `json:"rows"`      // records up to Committed
	Snapshot  *Snapshot         `json:"snapshot,omitempty"`
	// Replay is from where the state at Committed can be built again without a
	// snapshot; zero for the beginning, and in folders of earlier versions.
	Replay  pipeline.Replay `json:"replay,omitzero"`
	Pending []Intent        `json:"pending,omitempty"` // in order; the first starts at Committed
	// Shared: the partition is shared with other processes, and how far it has
	// come is not known here. There is a snapshot, at Committed.
	Shared bool `json:"shared,omitempty"`
}

// Snapshot refers to a file of operator state.
type Snapshot struct {
	Position pipeline.Position `json:"position"` // the state is that after all rows before it
	File     string            `json:"file"`     // within state/
	Manifest Hash              `json:"manifest"` // the config that made it
	// State names what keeps the state: graphs with the same one can go on
	// with each other's. Empty in snapshots of earlier versions.
	State string `json:"state,omitempty"`
	// Places are such as the state may be built from once event time has moved on,
	// in order; none in snapshots of earlier versions.
	Places []Place `json:"places,omitempty"`
}

// Place is a position between rows, and how far event time was there.
type Place struct {
	At     pipeline.Position `json:"at"`
	Latest int64             `json:"latest"` // of the rows before it, ms since 1970
}

// Options of Open.
type Options struct {
	Pipeline string // the pipeline's name; a folder serves one pipeline only
	Fsync    bool   // survive a loss of power, not only the death of the process
}

// Store is an open checkpoint folder. It is for one goroutine, but that
// WriteSnapshot, PutManifest, Adopt, Manifest, Objects, Object, Release and
// Remembered may be called beside the others.
type Store struct {
	dir     string
	opt     Options
	lock    *os.File
	journal *os.File
	size    int64 // of the journal
	written int64 // size after the last compaction
	broken  error // a failed append: the journal's end is not known any more

	mu         sync.Mutex            // held to change what is below, and to read it beside the store's goroutine
	partitions map[string]*Partition // changed by the store's goroutine only
	held       map[Hash][]Hash       // manifests put and not released, with the objects of each
	refs       map[Hash]int          // by object: how often it is held
}

// record is a line of the journal; exactly one of its parts is set.
type record struct {
	Head   *head   `json:"head,omitempty"`
	State  *state  `json:"state,omitempty"`
	Intent *Intent `json:"intent,omitempty"`
	Commit *commit `json:"commit,omitempty"`
}

type head struct {
	Version  int    `json:"version"`
	Pipeline string `json:"pipeline"`
}

type state struct {
	Partition string    `json:"partition"`
	Is        Partition `json:"is"`
}

type commit struct {
	Span     pipeline.Span   `json:"span"`
	Rows     int64           `json:"rows"`
	Snapshot *Snapshot       `json:"snapshot,omitempty"`
	Replay   pipeline.Replay `json:"replay,omitzero"`
}

// Open opens or creates the folder. It fails when another process has it open,
// when it belongs to another pipeline, was written by a newer version, or is
// damaged.
func Open(dir string, opt Options) (_ *Store, err error) {
	for _, d := range []string{dir, filepath.Join(dir, "objects"), filepath.Join(dir, "state")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("checkpoint: %w: choose another folder by checkpoint.path, or make this one writable", err)
		}
	}
	s := &Store{dir: dir, opt: opt, partitions: map[string]*Partition{}, held: map[Hash][]Hash{}, refs: map[Hash]int{}}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("checkpoint: %s is in use by another process%s: stop it, or choose another folder by checkpoint.path", dir, holder(dir))
	}
	if err := s.lock.Truncate(0); err == nil {
		_, _ = s.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	if err := s.compact(); err != nil {
		return nil, err
	}
	return s, s.sweep()
}

// holder names the process that holds the lock, as far as it is known.
func holder(dir string) string {
	pid, err := os.ReadFile(filepath.Join(dir, "lock"))
	if err != nil || len(bytes.TrimSpace(pid)) == 0 {
		return ""
	}
	return " (pid " + string(bytes.TrimSpace(pid)) + ")"
}

// Close gives the folder up.
func (s *Store) Close() {
	if s.journal != nil {
		s.journal.Close()
	}
	if s.lock != nil {
		s.lock.Close() // ends the lock too
	}
}

// Partitions returns a copy of what is known, by partition.
func (s *Store) Partitions() map[string]Partition {
	out := make(map[string]Partition, len(s.partitions))
	for name, p := range s.partitions {
		c := *p
		c.Pending = slices.Clone(p.Pending)
		out[name] = c
	}
	return out
}

// SnapshotPosition returns the position of the partition's last snapshot of
// operator state, and whether there is one.
func (s *Store) SnapshotPosition(partition string) (pipeline.Position, bool) {
	if p := s.partitions[partition]; p != nil && p.Snapshot != nil {
		return p.Snapshot.Position, true
	}
	return "", false
}

// Intend records that an epoch is about to be written. Its manifest must have
// been put. An intent that is recorded already is not recorded again, so a
// replay may call it too.
func (s *Store) Intend(in Intent) error {
	if p := s.partitions[in.Span.Partition]; p != nil && slices.Contains(p.Pending, in) {
		return nil
	}
	return s.append(record{Intent: &in})
}

// Commit records that everything of span is durable in every sink; rows is the
// number of its records. A snapshot, when not nil, replaces the one before. Replay
// is from where the state after span can be built again.
func (s *Store) Commit(span pipeline.Span, rows int64, snap *Snapshot, replay pipeline.Replay) error {
	old := ""
	if p := s.partitions[span.Partition]; p != nil && p.Snapshot != nil {
		old = p.Snapshot.File
	}
	if err := s.append(record{Commit: &commit{Span: span, Rows: rows, Snapshot: snap, Replay: replay}}); err != nil {
		return err
	}
	if snap != nil && old != "" && old != snap.File {
		_ = os.Remove(filepath.Join(s.dir, "state", old))
	}
	if s.size > s.written+compactAt {
		return s.compact()
	}
	return nil
}

// PutSnapshot records a snapshot of a partition's state at its committed
// position, between two epochs. It replaces the one before.
func (s *Store) PutSnapshot(partition string, snap Snapshot) error {
	p := s.partitions[partition]
	if p == nil || p.Committed != snap.Position || len(p.Pending) > 0 {
		return fmt.Errorf("checkpoint: a snapshot of partition %q at %q, which is not its committed position: a defect", partition, snap.Position)
	}
	next, old := *p, ""
	if p.Snapshot != nil {
		old = p.Snapshot.File
	}
	next.Snapshot = &snap
	if err := s.append(record{State: &state{Partition: partition, Is: next}}); err != nil {
		return err
	}
	if old != "" && old != snap.File {
		_ = os.Remove(filepath.Join(s.dir, "state", old))
	}
	return nil
}

// Remember records the last snapshot of the state of a partition that is shared
// with other processes. It replaces the one before.
func (s *Store) Remember(partition string, snap Snapshot) error {
	old := ""
	if p := s.partitions[partition]; p != nil && p.Snapshot != nil {
		old = p.Snapshot.File
	}
	is := Partition{Committed: snap.Position, Snapshot: &snap, Shared: true}
	if err := s.append(record{State: &state{Partition: partition, Is: is}}); err != nil {
		return err
	}
	if old != "" && old != snap.File {
		_ = os.Remove(filepath.Join(s.dir, "state", old))
	}
	if s.size > s.written+compactAt {
		return s.compact()
	}
	return nil
}

// Remembered returns what is known of a partition, beside the store's goroutine.
func (s *Store) Remembered(partition string) (Partition, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.partitions[partition]; p != nil {
		return *p, true
	}
	return Partition{}, false
}

// apply changes the state in memory as a record says.
func (s *Store) apply(r record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Head != nil:
		if r.Head.Version > formatVersion {
			return fmt.Errorf("it was written by a newer version of sluice (format %d, this one reads up to %d): upgrade sluice", r.Head.Version, formatVersion)
		}
		if r.Head.Pipeline != s.opt.Pipeline {
			return fmt.Errorf("it belongs to pipeline %q, not to %q: give each pipeline a checkpoint.path of its own", r.Head.Pipeline, s.opt.Pipeline)
		}
	case r.State != nil:
		p := r.State.Is
		s.partitions[r.State.Partition] = &p
	case r.Intent != nil:
		p := s.partition(r.Intent.Span.Partition)
		if p.end() == "" { // the first epoch: it starts where the source chose to
			p.Committed = r.Intent.Span.From
		}
		if end := p.end(); r.Intent.Span.From != end {
			return fmt.Errorf("the epoch of partition %q starts at %q, but the one before it ends at %q", r.Intent.Span.Partition, r.Intent.Span.From, end)
		}
		p.Pending = append(p.Pending, *r.Intent)
	case r.Commit != nil:
		p := s.partition(r.Commit.Span.Partition)
		if len(p.Pending) == 0 || p.Pending[0].Span != r.Commit.Span {
			return fmt.Errorf("a commit of %+v has no intent", r.Commit.Span)
		}
		p.Pending = slices.Clone(p.Pending[1:])
		p.Committed = r.Commit.Span.To
		p.Rows += r.Commit.Rows
		p.Replay = r.Commit.Replay
		if r.Commit.Snapshot != nil {
			p.Snapshot = r.Commit.Snapshot
		}
	default:
		return errors.New("a record of an unknown kind")
	}
	return nil
}

func (s *Store) partition(name string) *Partition {
	p := s.partitions[name]
	if p == nil {
		p = &Partition{}
		s.partitions[name] = p
	}
	return p
}

// end is the position up to which intents reach.
func (p *Partition) end() pipeline.Position {
	if n := len(p.Pending); n > 0 {
		return p.Pending[n-1].Span.To
	}
	return p.Committed
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encode(r record) ([]byte, error) {
	js, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(js, castagnoli), js), nil
}

func decode(line []byte) (r record, err error) {
	if len(line) < 10 || line[8] != ' ' {
		return r, errors.New("not a record")
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(line[9:], castagnoli) {
		return r, errors.New("checksum does not match")
	}
	return r, json.Unmarshal(line[9:], &r)
}

// load reads the journal. A last line without its end was torn by a crash: it
// was never acknowledged, so it is dropped.
func (s *Store) load() error {
	path := filepath.Join(s.dir, "journal")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			return nil
		}
		r, err := decode(line)
		if err == nil {
			err = s.apply(r)
		}
		if err != nil {
			return fmt.Errorf("checkpoint: %s:%d: %w. Restore the folder from a backup, or move it away to start from the beginning", path, n, err)
		}
		data = rest
	}
	return nil
}

// append adds a record to the journal and to the state in memory.
func (s *Store) append(r record) error {
	if s.broken != nil {
		return s.broken
	}
	line, err := encode(r)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := s.apply(r); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	n, err := s.journal.Write(line)
	if err == nil && s.opt.Fsync {
		err = s.journal.Sync()
	}
	if err != nil {
		// Part of the line may be there, or not be on disk: only a fresh look
		// at the file can tell.
		s.broken = fmt.Errorf("checkpoint: %w: free some space or choose another folder by checkpoint.path, and start again", err)
		return s.broken
	}
	s.size += int64(n)
	return nil
}

// compact writes the state in memory as a new journal in the old one's place.
func (s *Store) compact() error {
	recs := []record{{Head: &head{Version: formatVersion, Pipeline: s.opt.Pipeline}}}
	for _, name := range slices.Sorted(maps.Keys(s.partitions)) {
		recs = append(recs, record{State: &state{Partition: name, Is: *s.partitions[name]}})
	}
	var buf bytes.Buffer
	for _, r := range recs {
		line, err := encode(r)
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		buf.Write(line)
	}
	path := filepath.Join(s.dir, "journal")
	if err := replaceFile(path, buf.Bytes(), s.opt.Fsync); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if s.journal != nil {
		s.journal.Close()
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	s.journal, s.size, s.written = f, int64(buf.Len()), int64(buf.Len())
	return nil
}

// replaceFile puts data at path so that either the old or the new contents are
// there after a crash.
func replaceFile(path string, data []byte, fsync bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // does nothing once renamed
	_, err = tmp.Write(data)
	if err == nil && fsync {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil && fsync {
		err = durable.SyncDir(filepath.Dir(path))
	}
	return err
}
