//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// The manual's pages, done as they are printed, in an order in which an
// operator would need them.

//vm:once
//vm:long
func TestManualLoopLVM(t *testing.T) {
	h := newManualHost(t)
	h.follow(t, "configure-loop-lvm", "")
	h.follow(t, "options", "")
	h.follow(t, "how-it-works", "")
	h.follow(t, "increase-loop-capacity", "")
	h.requireInfo(t, "Data Space Total: 268.4GB")
	h.follow(t, "troubleshooting", "")
	h.requireInfo(t, "Data Space Total: 268.4GB")
}

//vm:once
//vm:long
func TestManualDirectLVM(t *testing.T) {
	h := newManualHost(t)
	h.follow(t, "configure-direct-lvm", "One disk, set up by dmthin")
	h.requireInfo(t, "Pool Name: docker-thinpool")
	h.bash(t, "docker run --network none --name keeper busybox sh -c 'echo kept >/file; sync'")
	h.follow(t, "monitor", "")
	h.follow(t, "after-a-reboot", "")
	h.follow(t, "increase-direct-capacity", "")
	if got := h.bash(t, "docker cp keeper:/file - | tar -xO"); got != "kept\n" {
		t.Errorf("the container's file holds %q", got)
	}
	h.bash(t, "systemctl stop docker; systemctl stop dmthin")
	h.follow(t, "cli", "Without a daemon")
}

// A new operator's two disks, and the steps of Docker's own manual.
//
//vm:once
//vm:long
func TestManualOtherWaysToDirectLVM(t *testing.T) {
	h := newManualHost(t)
	h.follow(t, "configure-direct-lvm", "Any number of disks")
	h.requireInfo(t, "Pool Name: docker-thinpool")
	h.reset(t)
	h.bash(t, "systemctl start dmthin; mkdir /var/lib/docker/image")
	h.follow(t, "configure-direct-lvm-manually", "")
	h.requireInfo(t, "Pool Name: docker-thinpool")
}

// requireInfo finds a line in docker info.
func (h *manualHost) requireInfo(t *testing.T, line string) {
	t.Helper()
	if out := h.bash(t, "docker info"); !strings.Contains(out, line) {
		t.Errorf("docker info has no line %q:\n%s", line, out)
	}
}
