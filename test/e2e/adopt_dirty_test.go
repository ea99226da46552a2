//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAdoptBlockDevices has a pool on devices of its own, and layers that were
// cut off while mounted. A container's is named, and adopted only when that is
// accepted; then its journal is replayed, and what was synced is there.
//
//vm:last
//vm:long
func TestAdoptBlockDevices(t *testing.T) {
	expectKernel(t, `XFS .dm-[0-9]+.: (User initiated shutdown|Log I/O Error .* xfs_fs_goingdown)`)
	t.Cleanup(func() { blankDisk(t, spareDisk) })
	shell(t, "vgcreate --yes docker "+spareDisk+"; lvcreate --yes -L 6G -n data docker; lvcreate --yes -L 64M -n metadata docker")
	const data, metadata = "/dev/docker/data", "/dev/docker/metadata"
	h := newAdoptHost(t, "adopt-devices", devicePool(metadata, data), "dm.datadev="+data, "dm.metadatadev="+metadata, "dm.basesize=1G", "dm.fs=xfs")
	h.keepFile(t)
	written := h.layerOf(t, "kept")
	h.builtIn.stop(t)
	records := readRecordFiles(t, filepath.Join(h.root, "devicemapper"))
	image := slices.DeleteFunc(slices.Collect(maps.Keys(records)), func(name string) bool {
		return name == "base" || strings.HasPrefix(name, written)
	})[0]
	h.cutOff(t, records[written], "rootfs/file")
	h.cutOff(t, records[image], "beside")

	small := smallFiles(t, h.root, h.config)
	out, err := h.tryDMThin("adopt", "--yes")
	if err == nil || !strings.Contains(out, "--accept-loss "+written+`"`) {
		t.Errorf("adopt: %v, %s", err, out)
	}
	requireSameFiles(t, "refused", small, smallFiles(t, h.root, h.config))
	r := h.dmthin(t, "adopt", "--yes", "--accept-loss", written)
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "journal of layer "+image[:12]) {
		t.Errorf("the image's layer is not in the notes: %s", notes)
	}
	s := h.startDMThin(t)
	h.requireKept(t, h.external)
	s.stop(t)
	h.dmthin(t, "adopt", "--undo", "--yes")
	h.builtIn.start(t)
	h.requireKept(t, h.builtIn)
	h.builtIn.stop(t)
}

// cutOff leaves a layer as a power cut does after a program wrote and synced a
// file in it.
func (h *adoptHost) cutOff(t *testing.T, r recordFile, file string) {
	t.Helper()
	pool := h.raw.open(t, filepath.Join(h.root, "devicemapper"))
	defer h.raw.close(t)
	mountLayer(t, pool, r, "rw", func(point string) {
		shell(t, fmt.Sprintf("echo kept >%[1]s/%[2]s; sync %[1]s/%[2]s; xfs_io -x -c shutdown %[1]s", point, file))
	})
}
