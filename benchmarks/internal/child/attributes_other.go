//go:build !linux

package child

import "syscall"

// attributes puts a process into a group of its own, so that a Ctrl-C is for the
// benchmark alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
