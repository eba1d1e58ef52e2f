package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/sluicehq/sluice/internal/durable"
	"github.com/sluicehq/sluice/pipeline"
)

// osFile is what the sink needs of a file.
type osFile interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
	Sync() error
	Close() error
}

// fileSystem is what the sink needs of the file system, so that tests can
// break it.
type fileSystem struct {
	OpenFile func(name string, flag int, perm fs.FileMode) (osFile, error)
	Rename   func(from, to string) error
	Remove   func(name string) error
	Exists   func(name string) (bool, error)
	MkdirAll func(dir string) error
	// Lock keeps other processes from locking the file until it is closed.
	Lock func(f osFile) error
	// SyncDir makes the entry of a file in its folder durable.
	SyncDir func(name string) error
}

func realFS() fileSystem {
	return fileSystem{
		OpenFile: func(name string, flag int, perm fs.FileMode) (osFile, error) {
			f, err := os.OpenFile(name, flag, perm)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		Rename: os.Rename,
		Remove: os.Remove,
		Exists: func(name string) (bool, error) {
			_, err := os.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			return err == nil, err
		},
		MkdirAll: func(dir string) error { return os.MkdirAll(dir, 0o755) },
		Lock:     lock,
		SyncDir:  syncDir,
	}
}

func syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	return durable.SyncDir(filepath.Dir(name))
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
