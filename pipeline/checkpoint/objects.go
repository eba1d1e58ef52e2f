package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Hash is a SHA-256 in lower-case hex.
type Hash string

// HashOf returns the hash of data.
func HashOf(data []byte) Hash {
	sum := sha256.Sum256(data)
	return Hash(hex.EncodeToString(sum[:]))
}

// Manifest says what an epoch is computed with: the program, the source and the
// steps as the config writes them, and every file that they name, by content. Two equal manifests give
// the same rows for the same input.
type Manifest struct {
	Program string          `json:"program"`         // version of the rules of computation
	Config  json.RawMessage `json:"config"`          // the parts of config.Spec.Raw that decide the rows: before ${...} is filled in
	Files   map[string]Hash `json:"files,omitempty"` // contents by path
	// Globs holds what each pattern matched.
	Globs map[string][]string `json:"globs,omitempty"`
}

// PutManifest stores the manifest and the contents of its files, and returns
// its hash. Contents that are there already cost nothing. They are kept at
// least until Release is called as often as PutManifest was.
func (s *Store) PutManifest(m Manifest, contents func(path string) []byte) (_ Hash, err error) {
	h, js, err := m.encode()
	if err != nil {
		return "", err
	}
	s.hold(h, m)
	defer func() {
		if err != nil {
			s.Release(h)
		}
	}()
	for path, h := range m.Files {
		data := contents(path)
		if got := HashOf(data); got != h {
			return "", fmt.Errorf("checkpoint: %s changed while it was being stored (%s, then %s): start again", path, h, got)
		}
		if err := s.putObject(h, data); err != nil {
			return "", err
		}
	}
	return h, s.putObject(h, js)
}

// Adopt stores a manifest and its files, of which fetch gives those that are not
// there yet. They are kept until Release is called, as after PutManifest.
func (s *Store) Adopt(h Hash, fetch func(Hash) ([]byte, error)) (err error) {
	get := func(h Hash) ([]byte, error) {
		data, err := s.Object(h)
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
		if data, err = fetch(h); err != nil {
			return nil, err
		}
		if got := HashOf(data); got != h {
			return nil, fmt.Errorf("checkpoint: object %s was fetched, and hashes to %s", h, got)
		}
		return data, s.putObject(h, data)
	}
	data, err := get(h)
	if err != nil {
		return err
	}
	m, err := decodeManifest(h, data)
	if err != nil {
		return err
	}
	s.hold(h, m)
	// The manifest again: until it was held it may have been released.
	for _, o := range append(slices.Sorted(maps.Values(m.Files)), h) {
		if _, err := get(o); err != nil {
			s.Release(h)
			return err
		}
	}
	return nil
}

// Objects returns the hashes of a stored manifest's files, each once, and at last
// that of the manifest itself.
func (s *Store) Objects(h Hash) ([]Hash, error) {
	m, err := s.Manifest(h)
	if err != nil {
		return nil, err
	}
	out := slices.Compact(slices.Sorted(maps.Values(m.Files)))
	return append(out, h), nil
}

// Hash returns the hash that PutManifest would return.
func (m Manifest) Hash() (Hash, error) {
	h, _, err := m.encode()
	return h, err
}

func (m Manifest) encode() (Hash, []byte, error) {
	js, err := json.Marshal(m)
	if err != nil {
		return "", nil, fmt.Errorf("checkpoint: %w", err)
	}
	return HashOf(js), js, nil
}

// hold keeps the objects of a manifest from being removed.
func (s *Store) hold(h Hash, m Manifest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := []Hash{h}
	for _, f := range m.Files {
		objects = append(objects, f)
	}
	s.held[h] = objects
	for _, o := range objects {
		s.refs[o]++
	}
}

// Release takes back one PutManifest: nothing will be computed with it any
// more. Objects are removed that no other manifest and no unfinished epoch
// needs. A manifest that was not put by this process is left alone.
func (s *Store) Release(h Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []Hash
	for _, o := range s.held[h] {
		if s.refs[o]--; s.refs[o] == 0 {
			delete(s.refs, o)
			gone = append(gone, o)
		}
	}
	if s.refs[h] == 0 {
		delete(s.held, h)
	}
	if len(gone) == 0 {
		return
	}
	keep, err := s.pending()
	if err != nil {
		return // what can not be told to be superfluous stays until the next start
	}
	for _, o := range gone {
		if !keep[string(o)] {
			_ = os.Remove(s.objectPath(o))
		}
	}
}

// pending returns the names of the objects that unfinished epochs need. The
// lock is held, or nobody else uses the store yet.
func (s *Store) pending() (map[string]bool, error) {
	keep := map[string]bool{}
	for _, p := range s.partitions {
		for _, in := range p.Pending {
			if keep[string(in.Manifest)] {
				continue
			}
			keep[string(in.Manifest)] = true
			m, err := s.Manifest(in.Manifest)
			if errors.Is(err, fs.ErrNotExist) {
				continue // the replay will say so, with the epoch that needs it
			}
			if err != nil {
				return nil, err
			}
			for _, f := range m.Files {
				keep[string(f)] = true
			}
		}
	}
	return keep, nil
}

// Manifest returns a stored manifest.
func (s *Store) Manifest(h Hash) (m Manifest, err error) {
	data, err := s.Object(h)
	if err != nil {
		return m, err
	}
	return decodeManifest(h, data)
}

func decodeManifest(h Hash, data []byte) (m Manifest, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("checkpoint: manifest %s: %w", h, err)
	}
	return m, nil
}

// Object returns stored contents and checks them against their hash.
func (s *Store) Object(h Hash) ([]byte, error) {
	if raw, err := hex.DecodeString(string(h)); err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("checkpoint: %q is not the hash of an object: %w", h, fs.ErrNotExist)
	}
	data, err := os.ReadFile(s.objectPath(h))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: an epoch that was not finished needs this object to be run again: %w", err)
	}
	if got := HashOf(data); got != h {
		return nil, fmt.Errorf("checkpoint: object %s is damaged (its contents hash to %s): restore the folder from a backup", h, got)
	}
	return data, nil
}

func (s *Store) objectPath(h Hash) string { return filepath.Join(s.dir, "objects", string(h)) }

func (s *Store) putObject(h Hash, data []byte) error {
	path := s.objectPath(h)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := replaceFile(path, data, s.opt.Fsync); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// WriteSnapshot stores operator state: write is given a writer for it. The
// file's last four bytes are the CRC-32C of all before. It counts only once a
// Commit names it.
func (s *Store) WriteSnapshot(seq uint64, write func(io.Writer) error) (file string, err error) {
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return "", fmt.Errorf("checkpoint: snapshot: %w", err)
	}
	sum := crc32.Checksum(buf.Bytes(), castagnoli)
	buf.Write([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	file = fmt.Sprintf("%020d-%s.snap", seq, HashOf(buf.Bytes())[:16])
	if err := replaceFile(filepath.Join(s.dir, "state", file), buf.Bytes(), s.opt.Fsync); err != nil {
		return "", fmt.Errorf("checkpoint: snapshot: %w", err)
	}
	return file, nil
}

// ReadSnapshot returns the state that WriteSnapshot stored.
func (s *Store) ReadSnapshot(file string) ([]byte, error) {
	path := filepath.Join(s.dir, "state", filepath.Base(file))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: snapshot: %w", err)
	}
	n := len(data) - 4
	if n < 0 || crc32.Checksum(data[:n], castagnoli) != uint32(data[n])<<24|uint32(data[n+1])<<16|uint32(data[n+2])<<8|uint32(data[n+3]) {
		return nil, fmt.Errorf("checkpoint: snapshot %s is damaged: restore the checkpoint folder from a backup, or move it away to start from the beginning", path)
	}
	return data[:n], nil
}

// sweep removes what nothing refers to. Temporary files of a process that died
// are among it. It runs at Open only: later a snapshot may be there that is yet
// to be committed.
func (s *Store) sweep() error {
	keep, err := s.pending()
	if err != nil {
		return err
	}
	for _, p := range s.partitions {
		if p.Snapshot != nil {
			keep[p.Snapshot.File] = true
		}
	}
	for _, sub := range []string{"objects", "state"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, sub))
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		for _, e := range entries {
			if !keep[e.Name()] {
				_ = os.Remove(filepath.Join(s.dir, sub, e.Name()))
			}
		}
	}
	return nil
}
