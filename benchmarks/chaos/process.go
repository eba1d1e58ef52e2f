package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluicehq/sluice/benchmarks/internal/child"
)

// process is a program that was started.
type process struct{ *child.Process }

// startProcess starts a program. The log file is appended to.
func startProcess(log string, env []string, command ...string) (*process, error) {
	p, err := child.Start(log, env, command...)
	if err != nil {
		return nil, err
	}
	return &process{p}, nil
}

// errSlow is returned when a process had to be killed after SIGTERM.
var errSlow = errors.New("it did not end in time after SIGTERM and was killed; its log has what its goroutines did")

// stop ends it by SIGTERM, and after the time by SIGQUIT, on which it says what
// it does, and SIGKILL. The error is how it ended.
func (p *process) stop(within time.Duration) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
		return p.Err
	case <-time.After(within):
	}
	p.Signal(syscall.SIGQUIT)
	select {
	case <-p.Ended:
	case <-time.After(time.Second):
	}
	p.Kill()
	return errSlow
}

// maxLine bounds a line of a log that is shown, in bytes.
const maxLine = 500

// logTail returns the end of a log file, without what goroutines did.
func logTail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	quit := false
	all = slices.DeleteFunc(all, func(s string) bool {
		quit = (quit || strings.HasPrefix(s, "SIGQUIT")) && !strings.HasPrefix(s, "chaos:")
		return quit
	})
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if len(line) > maxLine {
			all[i] = line[:maxLine] + "..."
		}
	}
	return fmt.Sprintf("the end of %s:\n%s", path, strings.Join(all, "\n"))
}
