//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dockerdConfig says how a dockerd is run.
type dockerdConfig struct {
	Name    string   // of its log, socket and runtime folder; two that run at once need two names
	Root    string   // data-root
	Driver  string   // storage driver
	Options []string // storage options
	Flags   []string // further flags

	// ConfigFile is a daemon.json with driver and options, in place of flags.
	ConfigFile string
	Programs   string // folder of another Docker's programs; "" for the machine's
	Environ    []string
}

// dockerd is a real Docker daemon, with a network of its own for none of its
// containers.
type dockerd struct {
	dockerdConfig
	docker // the command, as its client

	proc *process
}

// startDockerd starts dockerd and waits until it answers. At the test's end it
// is killed if it still runs.
func startDockerd(tb testing.TB, c dockerdConfig) *dockerd {
	tb.Helper()
	d := newDockerd(tb, c)
	d.killAtEnd(tb)
	d.start(tb)
	return d
}

// newDockerd prepares a dockerd that outlives the test once it is started.
func newDockerd(tb testing.TB, c dockerdConfig) *dockerd {
	tb.Helper()
	runtime := filepath.Join(env.run, c.Name)
	if err := os.MkdirAll(runtime, 0o711); err != nil {
		tb.Fatal(err)
	}
	return &dockerd{dockerdConfig: c, docker: docker{
		socket: filepath.Join(runtime, "docker.sock"),
		home:   filepath.Join(runtime, "home"),
	}}
}

// killAtEnd kills dockerd if it still runs at the test's end, whichever start
// it is by then.
func (d *dockerd) killAtEnd(tb testing.TB) {
	tb.Cleanup(func() {
		if d.proc != nil && d.proc.running() {
			d.proc.kill(tb)
		}
	})
}

// launch starts dockerd and does not wait.
func (d *dockerd) launch(tb testing.TB) {
	tb.Helper()
	runtime := filepath.Join(env.run, d.Name)
	args := []string{
		"--iptables=false", "--bridge=none", "--data-root=" + d.Root,
		"--exec-root=" + filepath.Join(runtime, "exec"), "--pidfile=" + filepath.Join(runtime, "docker.pid"),
		"--host=unix://" + d.socket,
	}
	if d.ConfigFile != "" {
		args = append(args, "--config-file="+d.ConfigFile)
	} else {
		args = append(args, "--experimental", "--storage-driver="+d.Driver)
	}
	for _, option := range d.Options {
		args = append(args, "--storage-opt="+option)
	}
	program, environ := "dockerd", d.Environ
	if d.Programs != "" {
		// dockerd finds containerd, and that runc, by the path.
		program, environ = filepath.Join(d.Programs, program), slices.Concat(environ, []string{"PATH=" + d.Programs + ":" + os.Getenv("PATH")})
	}
	d.proc = startProcess(tb, d.Name, environ, program, append(args, d.Flags...)...)
}

// start runs dockerd, for the first time or again, and waits until it answers.
func (d *dockerd) start(tb testing.TB) {
	tb.Helper()
	defer timed(tb, "start "+d.Name+" on "+d.Driver)()
	// dockerd gives its containerd 15 s to start and ends then, which a busy
	// emulated machine exceeds now and then. Nothing of the driver ran by then.
	for tries := 3; ; tries-- {
		d.launch(tb)
		eventually(tb, 2*time.Minute, "dockerd answers or ends", func() bool { return !d.proc.running() || d.answers() })
		if d.proc.running() {
			return
		}
		tail := d.proc.logTail()
		if tries == 1 || !bytes.Contains(tail, []byte("timeout waiting for containerd to start")) {
			tb.Fatalf("dockerd ended: %v\n%s", d.proc.err, tail)
		}
		tb.Logf("containerd did not start in time; %d more tries", tries-1)
	}
}

// answers asks dockerd for a sign of life.
func (d *dockerd) answers() bool {
	client := http.Client{Transport: unixTransport(d.socket), Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://docker/_ping")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func unixTransport(socket string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
}

// stop ends dockerd as an operator does.
func (d *dockerd) stop(tb testing.TB) {
	tb.Helper()
	defer timed(tb, "stop "+d.Name)()
	d.proc.stop(tb)
}

// restart stops dockerd and starts it again, with more storage options.
func (d *dockerd) restart(tb testing.TB, options ...string) {
	tb.Helper()
	d.stop(tb)
	d.Options = append(d.Options, options...)
	d.start(tb)
}

// removeRoot deletes a data-root that no dockerd uses any more. Mounts below it
// belong to leaks that a test has reported, and would keep it.
func removeRoot(tb testing.TB, root string) {
	tb.Helper()
	for _, m := range mountsBelow(tb, root) {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			tb.Errorf("unmount %s: %v", m, err)
		}
	}
	if err := os.RemoveAll(root); err != nil {
		tb.Error(err)
	}
}

// freshRoot names a data-root that is empty now and deleted at the test's end.
// A failed test's is deleted by the next that wants the name: space is scarce.
func freshRoot(tb testing.TB, name string) string {
	tb.Helper()
	root := filepath.Join(env.data, name)
	removeRoot(tb, root)
	if err := os.MkdirAll(root, 0o711); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { removeRoot(tb, root) })
	return root
}
