package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// The daemon listens before it does any pool work, so this covers no more
	// than process start on a slow emulated machine.
	listenTimeout = 30 * time.Second
	// Stopping deactivates every device the suite left active.
	stopTimeout = 2 * time.Minute
)

// daemon is one running dmthind.
type daemon struct {
	cmd    *exec.Cmd
	log    string // file
	socket string
	exited chan error
}

// startDaemon runs the daemon on a fresh state directory below TMPDIR and
// returns once its socket accepts connections. At the end of the test it is
// stopped as systemd would, and must have left nothing in the kernel.
func startDaemon(tb testing.TB) *daemon {
	tb.Helper()
	dir, err := os.MkdirTemp("", "dmthin-conformance-") //nolint:usetesting // a failure keeps it
	if err != nil {
		tb.Fatal(err)
	}
	before := kernelObjects(tb)
	d, err := spawn(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.stop(); err != nil {
			tb.Error(err)
		}
		requireNothingLeft(tb, before)
		if tb.Failed() {
			tb.Logf("state and log kept in %s; the log ends with:\n%s", dir, d.logTail())
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := d.waitListening(); err != nil {
		tb.Fatal(err)
	}
	return d
}

func spawn(dir string) (*daemon, error) {
	d := &daemon{
		log:    filepath.Join(dir, "dmthind.log"),
		socket: filepath.Join(dir, "plugin.sock"),
		exited: make(chan error, 1),
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.cmd = exec.Command(*daemonPath,
		"--socket", d.socket,
		"--state", filepath.Join(dir, "state"),
		"--init-record", filepath.Join(dir, "init.json"),
		"--admin-socket", filepath.Join(dir, "admin.sock"),
		"--log-level", "debug")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	go func() { d.exited <- d.cmd.Wait() }()
	return d, nil
}

func (d *daemon) waitListening() error {
	for deadline := time.Now().Add(listenTimeout); ; {
		conn, err := net.Dial("unix", d.socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-d.exited:
			d.exited <- err
			return fmt.Errorf("daemon ended before it listened: %v", d.cmd.ProcessState)
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("daemon does not listen after %v: %w", listenTimeout, err)
		}
	}
}

// stop asks the daemon to end, and kills it only when it does not.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	select {
	case err := <-d.exited:
		if err != nil {
			return fmt.Errorf("daemon on SIGTERM: %w", err)
		}
		return nil
	case <-time.After(stopTimeout):
		killed := d.cmd.Process.Kill()
		return errors.Join(fmt.Errorf("daemon still runs %v after SIGTERM", stopTimeout), killed)
	}
}

func (d *daemon) logTail() []byte {
	const lines = 60
	log, err := os.ReadFile(d.log)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.SplitAfter(log, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], nil)
}
