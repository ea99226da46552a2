//go:build dmtest

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leakedMounts is how many mounts earlier daemons are made to have left.
const leakedMounts = 2000

// TestThousandsOfLeakedMountsAreTakenAway leaves them where layers are mounted,
// all of them held by a namespace of somebody else's as well.
//
//vm:once
//vm:long
func TestThousandsOfLeakedMountsAreTakenAway(t *testing.T) {
	onDisk(t, preparedDisk(t), func() {
		root := filepath.Join(stateDir, "mnt")
		for n := range leakedMounts {
			dir := filepath.Join(root, fmt.Sprintf("leaked-%d", n))
			requireNoError(t, os.MkdirAll(dir, 0o700))
			requireNoError(t, unix.Mount(runDir, dir, "", unix.MS_BIND, ""))
		}
		release := holdMounts(t)
		begin := time.Now()
		d := started(t)
		defer func() { sweep(t, d) }()
		t.Logf("started in %.1f s", time.Since(begin).Seconds())
		if left := mountsBelow(t, root); left > 0 {
			t.Errorf("%d of %d mounts are still there", left, leakedMounts)
		}
		r := recorderAfter(before)
		at := work(d, r)
		for _, line := range d.verify(t.Context(), r.operations, at) {
			t.Error(line)
		}
		release()
		requireNoError(t, d.stop())
	})
}

// holdMounts has a process with copies of all mounts of now.
func holdMounts(t *testing.T) (release func()) {
	t.Helper()
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 3600")
	out, err := holder.StdoutPipe()
	requireNoError(t, err)
	requireNoError(t, holder.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return func() {
		err := errors.Join(holder.Process.Signal(syscall.SIGKILL), out.Close())
		_ = holder.Wait() // killed
		requireNoError(t, err)
	}
}

func mountsBelow(t *testing.T, root string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	requireNoError(t, err)
	return strings.Count(string(text), " "+root+"/")
}
