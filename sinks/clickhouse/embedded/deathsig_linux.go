package embedded

import "syscall"

// childAttributes puts the child into a process group of its own, so that a
// Ctrl-C meant for the parent does not stop the store that the parent is about
// to write its last rows to; and has the kernel tell it of the parent's death,
// beside the pipe that tells it too.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGHUP}
}
