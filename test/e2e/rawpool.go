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
			shell(t, fmt.Sprintf(`
metadata=$(losetup --show -f %[1]s/devicemapper/metadata)
data=$(losetup --show -f %[1]s/devicemapper/data)
dmsetup create raw-pool --table "0 $(blockdev --getsz $data) thin-pool $metadata $data 128 0 1 skip_block_zeroing"
echo "$metadata $data" >/run/raw-pool`, state))
			return "/dev/mapper/raw-pool"
		},
		close: func(t *testing.T) {
			t.Helper()
			shell(t, `dmsetup remove --retry raw-pool; losetup -d $(cat /run/raw-pool)`)
		},
	}
}

// lvmPool is a pool of LVM's, which stays active.
func lvmPool(device string) rawPool {
	return rawPool{open: func(*testing.T, string) string { return device }, close: func(*testing.T) {}}
}

// readLayers reads all layers that have a record in the state folder, whole
// devices.
func (p rawPool) readLayers(t *testing.T, state string) map[string]tree {
	t.Helper()
	pool := p.open(t, state)
	defer p.close(t)
	point := t.TempDir()
	layers := map[string]tree{}
	for name, r := range readRecordFiles(t, state) {
		if r.Deleted {
			continue
		}
		shell(t, fmt.Sprintf(`
dmsetup create raw-layer --noudevsync --table "0 %d thin %s %d"
number=$(dmsetup info -c --noheadings -o minor raw-layer | tr -d ' ')
case $(blkid -p -o value -s TYPE /dev/dm-$number) in xfs) o=ro,norecovery,nouuid ;; *) o=ro,noload ;; esac
mount -o $o /dev/dm-$number %s`, r.Size/512, pool, r.DeviceID, point))
		layers[name] = readTree(t, point)
		shell(t, fmt.Sprintf("umount %s; dmsetup remove --retry --noudevsync raw-layer", point))
	}
	return layers
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
