//go:build unix

package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes an exclusive lock that ends with the process.
func lock(f osFile) error {
	file, ok := f.(*os.File)
	if !ok {
		return nil
	}
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
