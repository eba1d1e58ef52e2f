//go:build !unix

package file

import (
	"errors"
	"os"
)

func identity(os.FileInfo) (string, error) {
	return "", errors.New("file: follow needs inodes, which this operating system does not have")
}
