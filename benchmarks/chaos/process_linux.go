package main

import (
	"os"
	"syscall"
)

// childAttributes puts a process into a group of its own, so that a Ctrl-C is
// for this program alone, and has the kernel kill it when this program dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// peakMemory returns the largest resident memory of a process that has ended,
// in bytes; 0 where that is not known.
func peakMemory(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
