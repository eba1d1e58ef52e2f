package file

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
)

// entry says that an epoch's rows are in a file, and how long the file is with
// them: what lies behind is the beginning of a write that was not finished. An
// entry without a key says that the sink has begun the part, which is empty.
type entry struct {
	Key    string `json:"key"`    // pipeline.Key.String
	Part   int    `json:"part"`   // number of the file
	Size   int64  `json:"size"`   // of the file, in bytes, with the epoch
	Rows   int64  `json:"rows"`   // in the file, with the epoch
	Schema string `json:"schema"` // hash of the columns, so that a change starts a new part
}

// keptKeys is how many epochs a journal remembers at the least. More than the
// epochs that one process may have to write again.
const keptKeys = 4096

// journal is a file of entries beside the data, one a line: the CRC-32C of the
// JSON, in hex, then the JSON. Entries are appended after the data is written,
// so an epoch that has one is whole. A last line that is torn counts as not
// written.
type journal struct {
	file  osFile
	path  string
	fs    fileSystem
	sync  bool
	size  int64  // of the whole lines
	last  *entry // nil if there is none
	known map[string]bool
	order []entry // oldest first
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// openJournal opens or creates the journal and cuts off a torn end.
func openJournal(fs fileSystem, path string, sync bool) (*journal, error) {
	f, err := fs.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, path: path, fs: fs, sync: sync, known: map[string]bool{}}
	if err := fs.Lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another process writes here: %w", path, err)
	}
	if err := j.load(); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

func (j *journal) load() error {
	data, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		e, ok := parseEntry(line)
		if !ok {
			if int(j.size)+len(line) < len(data) {
				return fmt.Errorf("%s: the line at byte %d is damaged: the journal does not tell any more what was written; "+
					"move it and its data file away, and start again", j.path, j.size)
			}
			break // torn: the epoch was not finished
		}
		j.size += int64(len(line))
		j.remember(e)
	}
	if int64(len(data)) > j.size {
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	if len(j.order) > 2*keptKeys {
		return j.compact()
	}
	return nil
}

func parseEntry(line []byte) (entry, bool) {
	var e entry
	body, ok := bytes.CutSuffix(line, []byte("\n"))
	if !ok || len(body) < 10 || body[8] != ' ' {
		return e, false
	}
	want, err := strconv.ParseUint(string(body[:8]), 16, 32)
	if err != nil || crc(body[9:]) != uint32(want) || json.Unmarshal(body[9:], &e) != nil {
		return e, false
	}
	return e, e.Part >= 0 && e.Size >= 0
}

func appendEntry(dst []byte, e entry) ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return dst, err
	}
	dst = fmt.Appendf(dst, "%08x ", crc(body))
	return append(append(dst, body...), '\n'), nil
}

func (j *journal) remember(e entry) {
	j.last = &e
	j.order = append(j.order, e)
	if e.Key != "" {
		j.known[e.Key] = true
	}
}

// add appends an entry. After an error the journal is as it was before.
func (j *journal) add(e entry) error {
	line, err := appendEntry(nil, e)
	if err != nil {
		return err
	}
	if err := writeAll(j.file, line); err != nil {
		return j.undo(err)
	}
	if j.sync {
		if err := j.file.Sync(); err != nil {
			return j.undo(err)
		}
	}
	j.size += int64(len(line))
	j.remember(e)
	if len(j.order) > 4*keptKeys {
		// The entry is durable, so this is no error of the write: a journal
		// that cannot be shortened now just stays long.
		_ = j.compact()
	}
	return nil
}

func (j *journal) undo(err error) error {
	if e := cutBack(j.file, j.size); e != nil {
		return fmt.Errorf("%w; and cutting the journal back failed: %w", err, e)
	}
	return err
}

// compact replaces the journal by one of its last entries.
func (j *journal) compact() error {
	j.order = append([]entry(nil), j.order[len(j.order)-keptKeys:]...)
	j.known = map[string]bool{}
	var text []byte
	for _, e := range j.order {
		if e.Key != "" {
			j.known[e.Key] = true
		}
		var err error
		if text, err = appendEntry(text, e); err != nil {
			return err
		}
	}
	tmp := j.path + ".tmp"
	f, err := j.fs.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	err = writeAll(f, text)
	if err == nil && j.sync {
		err = f.Sync()
	}
	if err == nil {
		err = j.fs.Lock(f)
	}
	if err == nil {
		err = j.fs.Rename(tmp, j.path)
	}
	if err != nil {
		f.Close()
		return err
	}
	j.file.Close()
	j.file, j.size = f, int64(len(text))
	if j.sync {
		return j.fs.SyncDir(j.path)
	}
	return nil
}

// writeAll is Write that does not take a short write for success.
func writeAll(f osFile, b []byte) error {
	n, err := f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// cutBack ends f at size and goes on writing there.
func cutBack(f osFile, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, io.SeekStart)
	return err
}
