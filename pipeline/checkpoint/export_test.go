package checkpoint

import (
	"fmt"
	"hash/crc32"
	"os"
)

// BreakJournal makes the store append to another file.
func BreakJournal(s *Store, path string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	s.journal = f
}

// Line is a journal line of some JSON.
func Line(js string) []byte {
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum([]byte(js), castagnoli), js)
}
