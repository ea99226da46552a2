package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/daemon/graphdriver"
)

const (
	listenTimeout = 30 * time.Second
	stopTimeout   = 5 * time.Minute // thousands of devices may be active
)

// newDmthin is a dmthind of its own with its defaults.
func newDmthin(name, program, home string, options ...string) *subject {
	d := &daemon{program: program, home: home}
	return &subject{
		name:   name,
		layers: map[string]bool{},
		start: func(ctx context.Context) (graphdriver.Driver, error) {
			if err := d.start(ctx); err != nil {
				return nil, err
			}
			return dial(d.socket(), home, options)
		},
		stop:   d.stop,
		memory: d.memory,
	}
}

// daemon is a dmthind that keeps everything below home.
type daemon struct {
	program, home string
	listenAt      string // empty: in home
	cmd           *exec.Cmd
	exited        chan error
}

func (d *daemon) socket() string {
	if d.listenAt != "" {
		return d.listenAt
	}
	return filepath.Join(d.home, "plugin.sock")
}

// start returns once the daemon listens.
func (d *daemon) start(ctx context.Context) error {
	if err := os.MkdirAll(d.home, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(d.home, "dmthind.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the daemon has its own
	d.cmd = exec.Command(d.program,
		"--socket", d.socket(),
		"--state", filepath.Join(d.home, "state"),
		"--init-record", filepath.Join(d.home, "init.json"),
		"--admin-socket", filepath.Join(d.home, "admin.sock"))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.exited = make(chan error, 1)
	go func() { d.exited <- d.cmd.Wait(); close(d.exited) }()
	return d.listening(ctx)
}

func (d *daemon) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	for {
		conn, err := net.Dial("unix", d.socket())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-d.exited:
			return fmt.Errorf("%s ended before it listened, see %s/dmthind.log", d.program, d.home)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w", d.program, err)
		case <-time.After(time.Millisecond):
		}
	}
}

func (d *daemon) stop(ctx context.Context) error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	select {
	case err := <-d.exited:
		return err
	case <-ctx.Done():
		return errors.Join(errors.New("dmthind runs on after SIGTERM"), d.cmd.Process.Kill())
	}
}

func (d *daemon) memory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(status), "VmRSS:")
	if !found {
		return 0, errors.New("no VmRSS in the daemon's status")
	}
	var kib int64
	_, err = fmt.Sscanf(strings.TrimSpace(after), "%d kB", &kib)
	return kib << 10, err
}
