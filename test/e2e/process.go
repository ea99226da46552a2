//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// process is a daemon that a test runs.
type process struct {
	cmd    *exec.Cmd
	log    string // file
	exited chan struct{}
	err    error // of its end, once exited is closed
}

// startProcess starts a daemon that writes to the end of the log of that name.
// It lives in a session of its own, so that nothing but the test, or a power
// cut, ends it.
func startProcess(tb testing.TB, name string, environ []string, program string, args ...string) *process {
	tb.Helper()
	p := &process{
		cmd:    exec.Command(program, args...),
		log:    filepath.Join(env.artifacts, name+".log"),
		exited: make(chan struct{}),
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s, for %s\n", p.cmd, tb.Name())
	p.cmd.Env = append(os.Environ(), environ...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end sends a signal and waits for the process to be gone.
func (p *process) end(sig syscall.Signal, limit time.Duration) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.cmd.Path, err)
	}
	select {
	case <-p.exited:
		return p.err
	case <-time.After(limit):
		_ = p.cmd.Process.Kill() // it may end at last; the timeout is reported
		<-p.exited
		return fmt.Errorf("%s still ran %s after %s", p.cmd.Path, limit, sig)
	}
}

// stop ends a daemon as an operator does.
func (p *process) stop(tb testing.TB) {
	tb.Helper()
	if err := p.end(syscall.SIGTERM, stopLimit); err != nil {
		tb.Errorf("%v; its log ends with:\n%s", err, p.logTail())
	}
}

// kill ends a daemon without giving it a chance.
func (p *process) kill(tb testing.TB) {
	tb.Helper()
	err := p.end(syscall.SIGKILL, stopLimit)
	if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		tb.Errorf("%s did not die of SIGKILL: %v", p.cmd.Path, err)
	}
}

// stopLimit bounds the end of a daemon. dockerd gives containers 15 s and
// plugins 20 s more.
const stopLimit = 90 * time.Second

// logTail is the end of the log, for failures.
func (p *process) logTail() []byte {
	const lines = 40
	log, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.SplitAfter(log, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], nil)
}

// eventually polls until the condition holds, and fails the test at the limit.
func eventually(tb testing.TB, limit time.Duration, what string, condition func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not so after %s: %s", limit, what)
		}
	}
}

// timed logs how long it took until the function it returns is called: on an
// emulated machine that is worth knowing of every step.
func timed(tb testing.TB, what string) func() {
	start := time.Now()
	return func() { tb.Helper(); tb.Logf("%5.1f s %s", time.Since(start).Seconds(), what) }
}
