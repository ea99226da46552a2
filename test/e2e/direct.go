//go:build e2e

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// spareDisk is the machine's disk for direct-lvm, blank between tests.
const spareDisk = "/dev/vdc"

// suspendedPool is what the kernel logs when a layer is activated while LVM has
// the pool suspended; the daemon tries again.
const suspendedPool = `ioctl: error adding target to table`

// directStack starts the host daemon and a dockerd whose pool is automatic
// direct-lvm on the spare disk. At the test's end the disk is blank again.
func directStack(tb testing.TB, name string, options ...string) *stack {
	tb.Helper()
	expectKernel(tb, suspendedPool)
	tb.Cleanup(func() { blankDisk(tb, spareDisk) })
	root := freshRoot(tb, name)
	host := startHostDaemon(tb)
	return &stack{host: host, dockerd: startDockerd(tb, dockerdConfig{
		Name: name, Root: root, Driver: "dmthin", Options: append([]string{"dm.directlvm_device=" + spareDisk}, options...),
	})}
}

// blankDisk removes the volume group docker with all that is in it.
func blankDisk(tb testing.TB, disk string) {
	tb.Helper()
	shell(tb, `
pkill -x dmeventd
dmsetup ls | awk '/^dmthin-/ { print $1 }' | xargs -r -n1 dmsetup remove --retry
if vgs docker >/dev/null 2>&1; then vgremove --force --yes docker; fi
if pvs `+disk+` >/dev/null 2>&1; then pvremove --yes `+disk+`; fi
wipefs --all --quiet `+disk+`
blkdiscard --force `+disk+` 2>/dev/null || true`)
}

// shell runs a script on the host, which must succeed.
func shell(tb testing.TB, script string) string {
	tb.Helper()
	out, err := bash(script, os.Environ())
	if err != nil {
		tb.Fatalf("%v: %s\nin: %s", err, out, script)
	}
	return strings.TrimSpace(out)
}

// bash runs a script and returns all it printed. That goes through a file: a
// daemon that the script starts, as LVM's commands start dmeventd, keeps the
// other end of a pipe open.
func bash(script string, environ []string) (string, error) {
	f, err := os.CreateTemp("", "bash-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	cmd := exec.Command("bash", "-c", script)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, f, f
	runErr := cmd.Run()
	out, err := os.ReadFile(f.Name())
	return string(out), errors.Join(runErr, err)
}

// expectKernel announces what the kernel will log because of what the test
// does.
func expectKernel(tb testing.TB, patterns ...string) {
	tb.Helper()
	for _, p := range patterns {
		if err := kernellog.Expect(p); err != nil {
			tb.Fatal(err)
		}
	}
}
