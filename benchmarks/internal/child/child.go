// Package child runs programs for benchmarks, each with a log file.
package child

import (
	"os"
	"os/exec"
	"syscall"
)

// Process is a program that was started.
type Process struct {
	Cmd   *exec.Cmd
	Log   string        // file of its output
	Ended chan struct{} // closed at its end
	Err   error         // how it ended; set before Ended is closed
}

// Start starts a program. The log file is appended to.
func Start(log string, env []string, command ...string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &Process{Cmd: exec.Command(command[0], command[1:]...), Log: log, Ended: make(chan struct{})}
	p.Cmd.Env = append(os.Environ(), env...)
	p.Cmd.Stdout, p.Cmd.Stderr = f, f
	p.Cmd.SysProcAttr = attributes()
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.Err = p.Cmd.Wait()
		close(p.Ended)
	}()
	return p, nil
}

// Running reports whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.Ended:
		return false
	default:
		return true
	}
}

// Signal sends a signal, unless the process has ended.
func (p *Process) Signal(s syscall.Signal) {
	if p.Running() {
		_ = p.Cmd.Process.Signal(s) // it may end just now
	}
}

// Kill ends it by SIGKILL, frozen or not, and waits.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.Ended
}
