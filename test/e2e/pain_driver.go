//go:build e2e

package e2e

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
)

// loneDriver is a dmthind without a dockerd, driven by the protocol alone, for
// what has to be seen from below.
type loneDriver struct {
	*driverClient

	dir     string // home and state
	options []string
	proc    *process
	prefix  []string // command that runs the daemon, such as unshare
}

// startLoneDriver starts a daemon on an empty state and sends it Init. At the
// test's end it must go and leave nothing in the kernel.
func startLoneDriver(tb testing.TB, options ...string) *loneDriver {
	tb.Helper()
	d := newLoneDriver(tb, options...)
	d.start(tb)
	d.mustInit(tb)
	return d
}

// newLoneDriver prepares a daemon without starting it.
func newLoneDriver(tb testing.TB, options ...string) *loneDriver {
	tb.Helper()
	before := kernelObjects(tb)
	d := &loneDriver{dir: freshRoot(tb, "pain"), options: append([]string{
		"dm.loopdatasize=4G", "dm.loopmetadatasize=64M", "dm.basesize=512M", "dm.min_free_space=1%",
	}, options...)}
	d.driverClient = newDriverClient(d.socket(), func(path string) string { return path })
	tb.Cleanup(func() {
		if d.proc != nil && d.proc.running() {
			d.end(tb)
		}
		requireNothingLeft(tb, before)
	})
	return d
}

func (d *loneDriver) socket() string { return filepath.Join(env.run, "pain.sock") }

// start runs the process, for the first time or again, without Init.
func (d *loneDriver) start(tb testing.TB) {
	tb.Helper()
	command := append(append([]string{}, d.prefix...), env.dmthind, "--socket", d.socket(), "--state", d.dir,
		"--init-record", filepath.Join(env.run, "pain-init.json"), "--log-level", "debug")
	d.proc = startProcess(tb, "pain-dmthind", nil, command[0], command[1:]...)
	eventually(tb, 30*time.Second, "dmthind listens", func() bool {
		conn, err := net.Dial("unix", d.socket())
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// end stops the daemon as dockerd does.
func (d *loneDriver) end(tb testing.TB) {
	tb.Helper()
	if err := d.Call("Cleanup", struct{}{}, nil); err != nil {
		tb.Errorf("Cleanup: %v", err)
	}
	d.proc.stop(tb)
}

func (d *loneDriver) init() error {
	return d.Call("Init", map[string]any{"Home": d.dir, "Opts": d.options}, nil)
}

func (d *loneDriver) mustInit(tb testing.TB) {
	tb.Helper()
	if err := d.init(); err != nil {
		tb.Fatal(err)
	}
}

// crash kills the process and starts it again, as dockerd or systemd would.
func (d *loneDriver) crash(tb testing.TB) {
	tb.Helper()
	d.proc.kill(tb)
	d.start(tb)
	d.waitReady(tb)
}

// waitReady waits until the daemon has taken up the work of its predecessor.
func (d *loneDriver) waitReady(tb testing.TB) {
	tb.Helper()
	eventually(tb, time.Minute, "the daemon is ready", func() bool {
		status, err := d.status(tb)
		return err == nil && status.State == admin.StateReady
	})
}

func (d *loneDriver) status(tb testing.TB) (admin.Status, error) {
	tb.Helper()
	return admin.NewClient(filepath.Join(d.dir, "admin.sock")).Status(tb.Context())
}

// mustStatus also requires that the daemon sees no problem.
func (d *loneDriver) mustStatus(tb testing.TB) admin.Status {
	tb.Helper()
	status, err := d.status(tb)
	if err != nil {
		tb.Fatal(err)
	}
	if len(status.Problems) > 0 || len(status.Leaked) > 0 {
		tb.Errorf("problems %q, leaked devices %v", status.Problems, status.Leaked)
	}
	return status
}

// settled waits until the blocks of all removed layers are back.
func (d *loneDriver) settled(tb testing.TB) admin.Status {
	tb.Helper()
	var last admin.Status
	eventually(tb, time.Minute, "removed layers give their space back", func() bool {
		last = d.mustStatus(tb)
		return last.Pool.DeferredDeletedDevices == 0
	})
	return last
}

func (d *loneDriver) mustCreate(tb testing.TB, id, parent string) {
	tb.Helper()
	if err := d.create(id, parent); err != nil {
		tb.Fatal(err)
	}
}

func (d *loneDriver) mustGet(tb testing.TB, id string) string {
	tb.Helper()
	dir, err := d.get(id)
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// mustRemove removes a layer and returns how long the answer took.
func (d *loneDriver) mustRemove(tb testing.TB, id string) time.Duration {
	tb.Helper()
	start := time.Now()
	if err := d.remove(id); err != nil {
		tb.Fatal(err)
	}
	return time.Since(start)
}

// deviceName is a layer's device-mapper name.
func (d *loneDriver) deviceName(tb testing.TB, id string) string {
	tb.Helper()
	var answer struct{ Metadata map[string]string }
	if err := d.Call("GetMetadata", layerRequest{ID: id}, &answer); err != nil {
		tb.Fatal(err)
	}
	return answer.Metadata["DeviceName"]
}
