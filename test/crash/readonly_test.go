//go:build dmtest

package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tellsReadOnly is what must be said, and what to do about it.
var tellsReadOnly = regexp.MustCompile(`read-only.*mount`)

// TestTheStateMayBeReadOnlyFromTheStart kills the daemon under a running container
// and has its successor find a filesystem that takes no writes any more.
//
//vm:once
//vm:long
func TestTheStateMayBeReadOnlyFromTheStart(t *testing.T) {
	onDisk(t, preparedDisk(t), func() {
		d := started(t)
		defer func() { sweep(t, d) }()
		r := recorderAfter(before)
		w := startWitness(t, d)
		requireNoError(t, d.end(syscall.SIGKILL))
		requireNoError(t, remountState(unix.MS_RDONLY))

		d, err := startDaemon("")
		requireNoError(t, err)
		requireReadOnlyReported(t, d)

		requireNoError(t, remountState(0))
		requireNoError(t, d.init())
		w.stop(t, "after the disk was writable again")
		for _, line := range d.verify(t.Context(), r.operations, work(d, r)) {
			t.Error(line)
		}
		requireNoError(t, d.stop())
	})
}

func requireReadOnlyReported(t *testing.T, d *daemon) {
	t.Helper()
	_, getErr := d.get("old")
	for call, err := range map[string]error{"Init": d.init(), "Create": d.create("new", "", ""), "Get": getErr} {
		if err == nil || !tellsReadOnly.MatchString(err.Error()) {
			t.Errorf("%s says %v", call, err)
		}
	}
	tool := filepath.Join(filepath.Dir(os.Getenv("DMTHIND")), "dmthin")
	out, err := exec.Command(tool, "--state", d.state, "status").CombinedOutput()
	if err == nil || !tellsReadOnly.Match(out) {
		t.Errorf("dmthin status says %s, %v", out, err)
	}
	if !tellsReadOnly.MatchString(d.said()) || d.dead() {
		t.Errorf("the daemon is dead, or its log says nothing:\n%s", d.tail())
	}
}

// remountState changes the flags of the state's mount.
func remountState(flags uintptr) error {
	return unix.Mount("", stateDir, "", unix.MS_REMOUNT|unix.MS_NOATIME|flags, "")
}
