package embedded

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The engine writes the token of an INSERT into the table's deduplication log
// before the part with the rows gets its name (MergeTreeSink, in ClickHouse's
// sources). When it is killed between the two, the rows are gone with their
// temporary part, but the token is there: the same INSERT again, which is to
// bring the rows, is dropped as one that was done. So the tokens of parts that
// do not exist are taken out of the logs before the engine opens them.

// logPattern finds the deduplication logs below a data folder: a table's parts
// are in the folder above.
const logPattern = "store/*/*/deduplication_logs/deduplication_log_*.txt"

// forgetUnwritten takes the tokens of INSERTs that were not completed out of the
// logs of all tables, and returns how many. No engine may have the folder open.
//
// A token whose part was deleted since, by retention say, is taken out too: its
// rows would be deleted again.
func forgetUnwritten(path string) (n int, err error) {
	logs, err := filepath.Glob(filepath.Join(path, logPattern))
	if err != nil {
		return 0, fmt.Errorf("embedded ClickHouse: %w", err)
	}
	parts := map[string]blocks{} // by the table's folder
	for _, log := range logs {
		table := filepath.Dir(filepath.Dir(log))
		if parts[table] == nil {
			if parts[table], err = readBlocks(table); err != nil {
				return n, err
			}
		}
		text, err := os.ReadFile(log)
		if err != nil {
			return n, fmt.Errorf("embedded ClickHouse: %w", err)
		}
		kept, dropped := keepWritten(text, parts[table])
		if dropped == 0 {
			continue
		}
		if err := replaceLog(path, log, kept); err != nil {
			return n, err
		}
		n += dropped
	}
	return n, nil
}

// replaceLog puts text in the place of a log at once. The engine reads whatever
// is in the log's folder, so the new file is made elsewhere.
func replaceLog(path, log string, text []byte) error {
	next := filepath.Join(path, "tmp", "deduplication_log")
	if err := writeFile(next, text); err != nil {
		return err
	}
	if err := os.Rename(next, log); err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	return nil
}

// blocks has the ranges of block numbers of a table's parts, by partition.
type blocks map[string][][2]uint64

// readBlocks lists the parts in a table's folder.
func readBlocks(table string) (blocks, error) {
	entries, err := os.ReadDir(table)
	if err != nil {
		return nil, fmt.Errorf("embedded ClickHouse: %w", err)
	}
	out := blocks{}
	for _, e := range entries {
		if partition, first, last, ok := parsePart(e.Name()); ok && e.IsDir() {
			out[partition] = append(out[partition], [2]uint64{first, last})
		}
	}
	return out, nil
}

// has reports whether a part has the blocks, itself or merged with others.
func (b blocks) has(partition string, first, last uint64) bool {
	for _, r := range b[partition] {
		if r[0] <= first && last <= r[1] {
			return true
		}
	}
	return false
}

// parsePart reads a part's name: partition, first and last block, level and,
// after a mutation, its number, joined by underscores. Temporary and detached
// ones have other names.
func parsePart(name string) (partition string, first, last uint64, ok bool) {
	f := strings.Split(name, "_")
	if len(f) != 4 && len(f) != 5 {
		return "", 0, 0, false
	}
	var n [3]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(f[i+1], 10, 64); err != nil {
			return "", 0, 0, false
		}
	}
	return f[0], n[0], n[1], true
}

// added is the operation of a line that adds a token: behind it, a tab apart,
// are the part and the token.
const added = "1"

// keepWritten returns the lines of a log without the additions whose part is not
// there, and their number. Of two additions of one part, the first is of an
// INSERT that was not completed before an earlier start, and whose block number
// was given again. Lines of another form stay.
func keepWritten(log []byte, b blocks) (kept []byte, dropped int) {
	lines := bytes.SplitAfter(log, []byte{'\n'})
	last := map[string]int{} // the last addition of a part
	for i, line := range lines {
		if f := strings.Split(string(line), "\t"); len(f) == 3 && f[0] == added {
			last[f[1]] = i
		}
	}
	for i, line := range lines {
		if f := strings.Split(string(line), "\t"); len(f) == 3 && f[0] == added {
			partition, first, end, ok := parsePart(f[1])
			if ok && (last[f[1]] != i || !b.has(partition, first, end)) {
				dropped++
				continue
			}
		}
		kept = append(kept, line...)
	}
	return kept, dropped
}
