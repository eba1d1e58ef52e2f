//go:build !linux

package main

import (
	"os"
	"syscall"
)

// childAttributes puts a process into a group of its own, so that a Ctrl-C is
// for this program alone.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// peakMemory returns 0: the largest memory of a process that has ended is not
// known.
func peakMemory(*os.ProcessState) int64 { return 0 }
