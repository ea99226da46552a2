//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rawPool reads layers without any storage driver, while none runs: with
// dmsetup and mount. What two drivers made of a pool can be compared so.
type rawPool struct {
	// open activates the pool whose files are in the state folder, and returns
	// its device; close takes it away again.
	open  func(t *testing.T, state string) (device string)
	close func(t *testing.T)
}

// loopPool is a pool on loop files.
func loopPool() rawPool {
	return rawPool{
		open: func(t *testing.T, state string) string {
			t.Helper()
			devices := shell(t, fmt.Sprintf("losetup --show -f %[1]s/devicemapper/metadata; losetup --show -f %[1]s/devicemapper/data", state))
			metadata, data, _ := strings.Cut(devices, "\n")
			return openPool(t, metadata, data)
		},
		close: func(t *testing.T) {
			t.Helper()
			devices := shell(t, "dmsetup deps -o devname "+rawPoolName+" | grep -o 'loop[0-9]*'")
			closePool(t)
			shell(t, "cd /dev; losetup -d "+strings.ReplaceAll(devices, "\n", " "))
		},
	}
}

// devicePool is a pool on two block devices.
func devicePool(metadata, data string) rawPool {
	return rawPool{
		open:  func(t *testing.T, _ string) string { t.Helper(); return openPool(t, metadata, data) },
		close: closePool,
	}
}

// lvmPool is a pool of LVM's, which stays active.
func lvmPool(device string) rawPool {
	return rawPool{open: func(*testing.T, string) string { return device }, close: func(*testing.T) {}}
}

const rawPoolName = "raw-pool"

func openPool(t *testing.T, metadata, data string) string {
	t.Helper()
	shell(t, fmt.Sprintf(`dmsetup create %s --table "0 $(blockdev --getsz %[3]s) thin-pool %[2]s %[3]s 128 0 1 skip_block_zeroing"`, rawPoolName, metadata, data))
	return "/dev/mapper/" + rawPoolName
}

func closePool(t *testing.T) {
	t.Helper()
	shell(t, "dmsetup remove --retry "+rawPoolName)
}

// readLayers reads all layers that have a record in the state folder, whole
// devices.
func (p rawPool) readLayers(t *testing.T, state string) map[string]tree {
	t.Helper()
	defer timed(t, "read all layers")()
	pool := p.open(t, state)
	defer p.close(t)
	layers := map[string]tree{}
	for name, r := range readRecordFiles(t, state) {
		if !r.Deleted {
			mountLayer(t, pool, r, "ro,norecovery", func(point string) { layers[name] = readTree(t, point) })
		}
	}
	return layers
}

// mountLayer activates and mounts a layer for as long as use takes.
func mountLayer(t *testing.T, pool string, r recordFile, options string, use func(point string)) {
	t.Helper()
	point := t.TempDir()
	shell(t, fmt.Sprintf(`
dmsetup create raw-layer --noudevsync --table "0 %d thin %s %d"
device=/dev/dm-$(dmsetup info -c --noheadings -o minor raw-layer | tr -d ' ')
options=%s
[ "$(blkid -p -o value -s TYPE $device)" != xfs ] || options=$options,nouuid
mount -o $options $device %s`, r.Size/512, pool, r.DeviceID, options, point))
	use(point)
	shell(t, fmt.Sprintf("umount %s; dmsetup remove --retry --noudevsync raw-layer", point))
}

// recordFile is a layer's record as both drivers write it.
type recordFile struct {
	DeviceID int   `json:"device_id"`
	Size     int64 `json:"size"`
	Deleted  bool  `json:"deleted"`
}

func readRecordFiles(t *testing.T, state string) map[string]recordFile {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, "metadata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]recordFile{}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, "-metadata") || strings.HasPrefix(name, ".") {
			continue
		}
		text, err := os.ReadFile(file)
		var r recordFile
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			t.Fatalf("record %s: %v", file, err)
		}
		records[name] = r
	}
	return records
}
