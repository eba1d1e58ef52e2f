package main

import (
	"os"
	"syscall"
)

// peakMemory returns the largest resident memory of a process that has ended,
// in bytes; 0 where that is not known.
func peakMemory(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
