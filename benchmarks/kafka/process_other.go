//go:build !linux

package main

import "syscall"

// childAttributes puts a process into a group of its own, so that a Ctrl-C is
// for this program alone.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
