package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
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

// stop ends it by SIGTERM and returns how it ended.
func (p *process) stop() error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
		if p.Err != nil {
			return fmt.Errorf("%w\n%s", p.Err, p.tail())
		}
		return nil
	case <-time.After(time.Minute):
		p.Kill()
		return fmt.Errorf("it did not end within a minute of SIGTERM\n%s", p.tail())
	}
}

// failed returns an error if the process has ended by itself.
func (p *process) failed() error {
	select {
	case <-p.Ended:
		return fmt.Errorf("it ended by itself: %w\n%s", p.Err, p.tail())
	default:
		return nil
	}
}

// tail returns the end of the log.
func (p *process) tail() string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// cpu returns the processor time of a running process, to 10 ms; 0 where
// /proc does not have it.
func (p *process) cpu() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// used returns the processor time of a process that has ended.
func (p *process) used() time.Duration {
	s := p.Cmd.ProcessState
	return s.UserTime() + s.SystemTime()
}

// resident returns the resident memory of a running process in bytes; 0 where
// /proc does not have it.
func (p *process) resident() int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// ownCPU returns the processor time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it has no reason to fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
