//go:build unix

package file

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// identity names a file whatever its path: device and inode.
func identity(st os.FileInfo) (string, error) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("file: %s: the file system tells no inode, which follow needs", st.Name())
	}
	return strconv.FormatUint(uint64(sys.Dev), 16) + "-" + strconv.FormatUint(sys.Ino, 16), nil
}
