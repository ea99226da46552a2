//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestManualTakeOver does what the page says on a host of the built-in driver.
//
//vm:once
//vm:long
func TestManualTakeOver(t *testing.T) {
	takenOverByTheManual(t)
}

// takenOverByTheManual goes there and back before anything ran under dmthin,
// and there for good.
func takenOverByTheManual(t *testing.T) (h *manualHost, images string) {
	t.Helper()
	h = newManualHostOffline(t)
	h.bash(t, "systemctl stop dmthin")
	h.onBuiltIn(t)
	image := filepath.Join(t.TempDir(), "busybox.tar")
	if err := os.WriteFile(image, tarOf(t, busyboxFiles(t)...), 0o600); err != nil {
		t.Fatal(err)
	}
	h.bash(t, "systemctl start docker; docker import "+image+" busybox; docker run --network none --name keeper busybox sh -c 'echo kept >/file; sync'")
	images = h.bash(t, "docker images --no-trunc --quiet")
	before := h.bash(t, "cat /etc/docker/daemon.json")
	h.bash(t, "systemctl stop docker; dmthin adopt --yes; systemctl start dmthin")
	h.follow(t, "take-over", "Going back")
	h.requireInfo(t, "Storage Driver: devicemapper")
	if after := h.bash(t, "cat /etc/docker/daemon.json"); after != before {
		t.Errorf("daemon.json is %s, and was %s", after, before)
	}
	h.follow(t, "take-over", "The ten-minute version")
	h.requireInfo(t, "Storage Driver: dmthin")
	h.requireKeeper(t, images)
	return h, images
}

// onBuiltIn has the host's Docker be one of the built-in driver.
func (h *manualHost) onBuiltIn(t *testing.T) {
	t.Helper()
	expectKernel(t, deferredDeletion)
	if dir := builtInDocker(t); dir != "" {
		h.bash(t, "ln -s "+dir+"/* "+h.bin)
	}
	h.bash(t, `mkdir -p /etc/docker
echo '{"storage-driver": "devicemapper", "storage-opts": ["dm.loopdatasize=4G", "dm.loopmetadatasize=128M", "dm.basesize=1G"]}' >/etc/docker/daemon.json`)
}

// requireKeeper finds the container with its file, and the images.
func (h *manualHost) requireKeeper(t *testing.T, images string) {
	t.Helper()
	if got := h.bash(t, "docker cp keeper:/file - | tar -xO"); got != "kept\n" {
		t.Errorf("the container's file holds %q", got)
	}
	if got := h.bash(t, "docker images --no-trunc --quiet"); got != images {
		t.Errorf("images %q, before %q", got, images)
	}
}
