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
	"time"

	"github.com/docker/docker/daemon/graphdriver"
)

const listenTimeout = 30 * time.Second

// newDmthin is a dmthind of its own with its defaults.
func newDmthin(name, program, home string, options ...string) *subject {
	d := &daemon{path: program, home: home}
	return &subject{
		name:   name,
		layers: map[string]bool{},
		start: func(ctx context.Context) (graphdriver.Driver, error) {
			if err := d.start(ctx); err != nil {
				return nil, err
			}
			return dial(d.socket(), home, options)
		},
		stop:   func(ctx context.Context) error { return d.stop(ctx) }, // of what start made
		memory: d.memory,
	}
}

// daemon is a dmthind that keeps everything below home.
type daemon struct {
	path, home string
	listenAt   string // empty: in home
	*program          // once it was started
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
	cmd := exec.Command(d.path,
		"--socket", d.socket(),
		"--state", filepath.Join(d.home, "state"),
		"--init-record", filepath.Join(d.home, "init.json"),
		"--admin-socket", filepath.Join(d.home, "admin.sock"))
	var err error
	if d.program, err = launch(cmd, filepath.Join(d.home, "dmthind.log")); err != nil {
		return err
	}
	return d.ready(ctx, listenTimeout, time.Millisecond, func(context.Context) error {
		conn, err := net.Dial("unix", d.socket())
		if err != nil {
			return err
		}
		return conn.Close()
	})
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
