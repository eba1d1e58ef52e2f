//go:build !linux

package embedded

import "syscall"

// childAttributes puts the child into a process group of its own, so that a
// Ctrl-C meant for the parent does not stop the store that the parent is about
// to write its last rows to. The parent's death shows in the pipe.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
