//go:build dmtest

package takeover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

const (
	realPool  = "takeover-pool"
	realLayer = "takeover-layer"
	realSize  = 512 << 20 // of a layer: xfs takes no less
)

// newRealHost is newDockerHost on a pool and filesystems that the kernel made.
func newRealHost(t *testing.T, fs string) *dockerHost {
	t.Helper()
	h := newDockerHostIn(t, t.TempDir())
	h.fs, h.tid = fs, 0
	makeFile(t, h.home("devicemapper", "data"), 1<<30)
	makeFile(t, h.home("devicemapper", "metadata"), 16<<20)
	h.active(t, func(message func(words ...string)) {
		for id := 1; id <= len(h.records); id++ {
			if id == 1 {
				message("create_thin", "1")
			} else {
				message("create_snap", fmt.Sprint(id), fmt.Sprint(id-1))
			}
			message("set_transaction_id", fmt.Sprint(id-1), fmt.Sprint(id))
			h.withDevice(t, id, func(device string) {
				if id == 1 {
					dmtest.Run(t, "mkfs."+fs, device)
					h.uuid = strings.TrimSpace(dmtest.Run(t, "blkid", "-p", "-s", "UUID", "-o", "value", device))
				}
				h.writeInto(t, device, "umount")
			})
		}
	})
	h.tid = uint64(len(h.records))
	h.intent.OpenTransactionID = h.tid
	h.writeRecords(t)
	return h
}

// active has the kernel run the pool for as long as use takes; message speaks to
// it.
func (h *dockerHost) active(t *testing.T, use func(message func(words ...string))) {
	t.Helper()
	data, metadata := attach(t, h.home("devicemapper", "data")), attach(t, h.home("devicemapper", "metadata"))
	defer dmtest.Run(t, "losetup", "--detach", data, metadata)
	dmtest.Run(t, "dmsetup", "create", realPool, "--table", fmt.Sprintf("0 %d thin-pool %s %s 128 0 1 skip_block_zeroing", 1<<30/512, metadata, data))
	defer dmtest.Run(t, "dmsetup", "remove", "--retry", realPool)
	use(func(words ...string) {
		t.Helper()
		dmtest.Run(t, "dmsetup", "message", realPool, "0", strings.Join(words, " "))
	})
}

func (h *dockerHost) withDevice(t *testing.T, id int, use func(device string)) {
	t.Helper()
	dmtest.Run(t, "dmsetup", "create", realLayer, "--table", fmt.Sprintf("0 %d thin /dev/mapper/%s %d", realSize/512, realPool, id))
	defer dmtest.Run(t, "dmsetup", "remove", "--retry", realLayer)
	use("/dev/mapper/" + realLayer)
}

// writeInto mounts a layer, writes to it, and ends as an unmount does, or a
// power cut.
func (h *dockerHost) writeInto(t *testing.T, device, end string) {
	t.Helper()
	options := ""
	if h.fs == "xfs" {
		options = "-o nouuid"
	}
	cut := ""
	if end == "power cut" {
		cut = "sync; echo more >>$point/file; sync $point/file; xfs_io -x -c shutdown $point;"
	}
	dmtest.Run(t, "sh", "-ec", fmt.Sprintf("point=$(mktemp -d); mount %s %s $point; echo written >>$point/file; %s umount $point; rmdir $point", options, device, cut))
}

// realDamages are those of damages that the kernel has a part in.
var realDamages = map[string]struct {
	do   func(t *testing.T, h *dockerHost, message func(words ...string))
	name string
}{
	"record without a device": {func(_ *testing.T, _ *dockerHost, message func(words ...string)) {
		message("delete", "3")
	}, topImage},
	"device without a record": {func(_ *testing.T, _ *dockerHost, message func(words ...string)) {
		message("create_thin", "9")
	}, "device-9"},
	"transaction that disagrees": {func(_ *testing.T, _ *dockerHost, message func(words ...string)) {
		message("set_transaction_id", "5", "6")
	}, "pool"},
	"dirty filesystem": {func(t *testing.T, h *dockerHost, _ func(words ...string)) {
		t.Helper()
		h.withDevice(t, 5, func(device string) { h.writeInto(t, device, "power cut") })
	}, layer},
	"lost filesystem": {func(t *testing.T, h *dockerHost, _ func(words ...string)) {
		t.Helper()
		h.withDevice(t, 3, func(device string) {
			dmtest.Run(t, "dd", "if=/dev/zero", "of="+device, "bs=64K", "count=1", "oflag=direct")
		})
	}, topImage},
}

// realFileDamages are those of damages that the kernel has no part in, but for
// the filesystems of which the rest is whole.
var realFileDamages = []string{"missing record", "damaged record", "pool that needs a check"}

// TestDamageThatTheKernelLeavesIsNamed has what is wrong, or at least what is
// not, made by the kernel and not by the test.
//
//vm:once
//vm:long
func TestDamageThatTheKernelLeavesIsNamed(t *testing.T) {
	adopt, undo, _ := operations(t)
	for _, fs := range realFilesystems {
		h := newRealHost(t, fs)
		if p := h.do(t, adopt); len(p.Findings)+len(p.Notes) > 0 || p.Filesystem != fs {
			t.Errorf("a healthy host on %s: %+v", fs, p)
		}
		h.do(t, undo)
		whole := h.keepPool(t)
		for _, name := range realFileDamages {
			t.Run(name+" on "+fs, func(t *testing.T) {
				whole()
				h.writeRecords(t)
				damages[name].do(t, h)
				h.requireNamed(t, damages[name])
			})
		}
		h.writeRecords(t)
		for name, damage := range realDamages {
			t.Run(name+" on "+fs, func(t *testing.T) {
				whole()
				h.active(t, func(message func(words ...string)) { damage.do(t, h, message) })
				before := h.files(t)
				p, err := h.try(t, adopt, nil, nil)
				if found := slices.Compact(findingNames(p)); !errors.Is(err, ErrFound) || !slices.Equal(found, []string{damage.name}) {
					t.Fatalf("adopt: %v, findings %q", err, found)
				}
				requireSame(t, "refused", before, h.files(t))
				h.do(t, adopt, damage.name)
				h.do(t, undo)
				requireSame(t, "given up, adopted and undone", before, h.files(t))
			})
		}
	}
}

// keepPool copies the pool's files; the function it returns brings them back.
func (h *dockerHost) keepPool(t *testing.T) func() {
	t.Helper()
	dir := t.TempDir()
	files := func(from, to string) {
		for _, name := range []string{"data", "metadata"} {
			dmtest.Run(t, "cp", "--sparse=always", filepath.Join(from, name), filepath.Join(to, name))
		}
	}
	files(h.home("devicemapper"), dir)
	return func() {
		for _, name := range []string{"data", "metadata"} {
			if err := os.Remove(h.home("devicemapper", name)); err != nil {
				t.Fatal(err)
			}
		}
		files(dir, h.home("devicemapper"))
	}
}
