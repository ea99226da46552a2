//go:build dmtest

package crash

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
)

// sweep takes away what a test that failed left, so that the next ones can run.
func sweep(t *testing.T, d *daemon) {
	t.Helper()
	if !t.Failed() {
		return
	}
	_ = d.end(syscall.SIGKILL) // it may be gone
	script := fmt.Sprintf(`for n in 1 2; do
			sort -r -k 5 /proc/self/mountinfo | while read -r _ _ _ _ dir _; do
				case $dir in %s/mnt/*) umount -l "$dir";; esac
			done
			dmsetup info -c --noheadings -o name | while read -r name; do
				case $name in crash-*) ;; *) dmsetup remove --retry "$name";; esac
			done
		done`, stateDir)
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	t.Logf("swept: %v %s", err, out)
}
