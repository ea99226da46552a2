package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// quitGrace is how long a Go program may print its goroutines after SIGQUIT.
const quitGrace = 5 * time.Second

// Run runs j and writes its files to dir, which must not exist yet. The
// returned result is also stored there. klog may be nil where the kernel log
// cannot be read.
func Run(ctx context.Context, j Job, dir string, klog *kernellog.Reader) Result {
	start := time.Now()
	res := Result{Name: j.Name, ExitCode: -1}
	if err := os.MkdirAll(filepath.Join(dir, ArtifactDir), 0o755); err != nil {
		res.Failure = err.Error()
		return res
	}
	stopLog := watchKernel(klog, filepath.Join(dir, KernelFile), &res)
	code, err := runCommand(ctx, j, dir)
	res.ExitCode = code
	if err != nil {
		res.Failure = err.Error()
	}
	stopLog()
	res.Seconds = time.Since(start).Seconds()
	if err := WriteFile(filepath.Join(dir, ResultFile), res); err != nil && res.Failure == "" {
		res.Failure = err.Error()
	}
	return res
}

func runCommand(ctx context.Context, j Job, dir string) (int, error) {
	out, err := os.OpenFile(filepath.Join(dir, OutputFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return -1, err
	}
	defer out.Close()
	if len(j.Command) == 0 {
		return -1, errors.New("the job names no command")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.Limit(), fmt.Errorf("timed out after %s", j.Limit()))
	defer cancel()
	cmd := exec.CommandContext(ctx, j.Command[0], j.Command[1:]...)
	cmd.Dir = j.Dir
	cmd.Env = append(os.Environ(), "DMTHIN_ARTIFACTS="+filepath.Join(dir, ArtifactDir))
	cmd.Env = append(cmd.Env, j.Env...)
	// The file itself, not a pipe: a daemon left behind then keeps nobody waiting.
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT) }
	cmd.WaitDelay = quitGrace
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH: the group is gone, as it should be
	if ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		if status.Exited() {
			return status.ExitCode(), nil
		}
		return -1, errors.New(status.String())
	}
	return cmd.ProcessState.ExitCode(), err
}

// watchKernel copies the kernel log to path until the returned function is called.
func watchKernel(klog *kernellog.Reader, path string, res *Result) (stop func()) {
	if klog == nil {
		return func() {}
	}
	checker := kernellog.NewChecker()
	file, err := os.Create(path)
	if err != nil {
		res.Failure = err.Error()
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for last := false; !last; {
			select {
			case <-tick.C:
			case <-quit:
				last = true
			}
			for _, r := range klog.Drain() {
				checker.Check(r)
				fmt.Fprintln(file, r)
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		file.Close()
		res.Faults = checker.Faults()
	}
}
