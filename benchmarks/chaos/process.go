package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a program that was started. Its output goes to a log file.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed at its end; err is set before
	err   error
}

// startProcess starts a program. The log file is appended to.
func startProcess(log string, env []string, command ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &process{cmd: exec.Command(command[0], command[1:]...), log: log, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal, unless the process has ended.
func (p *process) signal(s syscall.Signal) {
	if p.running() {
		_ = p.cmd.Process.Signal(s) // it may end just now
	}
}

// kill ends it by SIGKILL, frozen or not, and waits.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// errSlow is returned when a process had to be killed after SIGTERM.
var errSlow = errors.New("it did not end in time after SIGTERM and was killed; its log has what its goroutines did")

// stop ends it by SIGTERM, and after the time by SIGQUIT, on which it says what
// it does, and SIGKILL. The error is how it ended.
func (p *process) stop(within time.Duration) error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return p.err
	case <-time.After(within):
	}
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.ended:
	case <-time.After(time.Second):
	}
	p.kill()
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
