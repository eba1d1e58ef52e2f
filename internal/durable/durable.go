// Package durable has what files need that must survive a loss of power.
package durable

import "os"

// SyncDir makes the names in dir durable: files that were created, renamed or
// removed in it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
