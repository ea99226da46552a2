//go:build dmtest

package crash

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// diskFault is one part of the disk that fails in one way while clients are at
// work.
type diskFault struct {
	part string
	how  breakage
	says string // a pattern: what status and readyz say meanwhile
	logs string // what the log says
	back wayBack
}

func (f diskFault) String() string { return f.part + ": " + f.how.name }

// wayBack is what the manual has an operator do once the disk is back. It
// returns the daemon that goes on.
type wayBack func(t *testing.T, d *daemon) *daemon

// requireSurvivedFault has a disk fail under the clients' work.
func requireSurvivedFault(t *testing.T, prepared imageFile, f diskFault) {
	t.Helper()
	disk, err := prepared.copyTo("failing")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.discard()
	onParts(t, disk, func(l *lab) {
		d := started(t)
		defer func() { sweep(t, d) }()
		r := recorderAfter(before)
		requireNoError(t, l.spoil(f.part, f.how))
		work(d, r)
		f.requireReported(t, d)
		requireNoError(t, l.mend(f.part))
		removeFailed(t, d, r)
		d = f.back(t, d)
		for _, line := range d.verify(t.Context(), r.operations, r.progress()) {
			t.Error(line)
		}
		if err := d.admin().Healthy(t.Context()); err != nil {
			t.Errorf("not ready again: %v", err)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

// requireReported asks the daemon, which must be alive.
func (f diskFault) requireReported(t *testing.T, d *daemon) {
	t.Helper()
	if d.dead() {
		t.Fatalf("the daemon died: %s", d.tail())
	}
	says := regexp.MustCompile(f.says)
	status, err := d.admin().Status(t.Context())
	if said := strings.Join(status.Problems, "\n"); err != nil || !says.MatchString(said) {
		t.Errorf("status says %q, %v", said, err)
	}
	if said := errorText(d.admin().Healthy(t.Context())); !says.MatchString(said) {
		t.Errorf("readyz says %q", said)
	}
	if !regexp.MustCompile(f.logs).MatchString(d.said()) {
		t.Errorf("the log says nothing of it:\n%s", d.tail())
	}
	t.Logf("status says:\n%s", strings.Join(status.Problems, "\n"))
}

// errorText is empty for no error.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// removeFailed removes the layers whose filling failed, as dockerd does.
func removeFailed(t *testing.T, d *daemon, r *recorder) {
	t.Helper()
	at := r.progress()
	for n, o := range r.operations {
		if o.verb == fill && at[n] == underWay {
			t.Logf("remove %s: %v", o.layer, r.perform(d, operation{verb: remove, layer: o.layer}))
		}
	}
}

// nothing is to be done: the daemon goes on by itself.
func nothing(_ *testing.T, d *daemon) *daemon { return d }

// mountAnew has the state's filesystem checked and mounted again in between.
func mountAnew(t *testing.T, d *daemon) *daemon {
	t.Helper()
	halt(t, d)
	requireNoError(t, unmountState())
	requireNoError(t, run(t.Context(), "sh", "-c", `e2fsck -p "$0" || [ $? -eq 1 ]`, partPath("state")))
	requireNoError(t, mountState())
	return started(t)
}

// repair has the pool's metadata checked in between.
func repair(t *testing.T, d *daemon) *daemon {
	t.Helper()
	halt(t, d)
	tool := filepath.Join(filepath.Dir(os.Getenv("DMTHIND")), "dmthin")
	requireNoError(t, run(t.Context(), tool, "--state", d.state, "repair", "--yes", "--metadata-device", partPath("metadata")))
	return started(t)
}

// halt stops the daemon as stopping Docker and it does. What can't be written
// any more is said, and no reason to stay.
func halt(t *testing.T, d *daemon) {
	t.Helper()
	t.Logf("cleanup: %v", d.cleanup())
	requireNoError(t, d.end(syscall.SIGTERM))
}

func started(t *testing.T) *daemon {
	t.Helper()
	d, err := startDaemon("")
	requireNoError(t, err)
	if err := d.init(); err != nil {
		_ = d.end(syscall.SIGKILL)
		t.Fatal(err)
	}
	return d
}

func requireNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expectFaults announces what the kernel says of failing disks.
func expectFaults(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{
		`device-mapper: (thin|table|ioctl|space map|block manager|btree|array|bufio)`, `EXT4-fs`, `JBD2`, `I/O error`,
	} {
		requireNoError(t, kernellog.Expect(pattern))
	}
}

// requireSurvivedFaults tries them all on copies of one disk.
func requireSurvivedFaults(t *testing.T, faults []diskFault) {
	t.Helper()
	expectFaults(t)
	prepared := preparedDisk(t)
	for _, f := range faults {
		t.Run(f.String(), func(t *testing.T) {
			tallyOne(t, "disks made to fail at work")
			requireSurvivedFault(t, prepared, f)
		})
	}
}
