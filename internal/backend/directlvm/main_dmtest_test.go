//go:build dmtest

package directlvm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`switching pool to out-of-data-space`,
		`reached low water mark`,
	)
}

// config is of a fresh state directory; log collects what an operator sees.
func config(t *testing.T) (Config, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	return Config{StateDir: t.TempDir(), Identity: "4f1c0a2b", ThinUUIDPrefix: "DMTHIN-4f1c0a2b-", Log: logger}, &log
}

// removeGroup takes a volume group away at the test's end, and the labels off
// its disks, however far the test got.
func removeGroup(t *testing.T, name string) {
	t.Cleanup(func() {
		out, _ := exec.Command("pvs", "--noheadings", "-o", "pv_name", "-S", "vg_name="+name).Output()
		_ = exec.Command("vgremove", "--force", "--force", "--yes", name).Run()
		for _, device := range strings.Fields(string(out)) {
			_ = exec.Command("pvremove", "--force", "--force", "--yes", device).Run()
		}
		_ = os.Remove("/etc/lvm/profile/docker-thinpool.profile")
	})
}

func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

// manualPool makes a pool by the steps of Docker's manual page, word for word.
func manualPool(t *testing.T) {
	t.Helper()
	disk := dmtest.Loop(t, gib)
	removeGroup(t, groupName)
	dmtest.Run(t, "pvcreate", disk)
	dmtest.Run(t, "vgcreate", "docker", disk)
	dmtest.Run(t, "lvcreate", "--wipesignatures", "y", "-n", "thinpool", "docker", "-l", "95%VG")
	dmtest.Run(t, "lvcreate", "--wipesignatures", "y", "-n", "thinpoolmeta", "docker", "-l", "1%VG")
	dmtest.Run(t, "lvconvert", "-y", "--zero", "n", "-c", "512K", "--thinpool", "docker/thinpool", "--poolmetadata", "docker/thinpoolmeta")
	writeProfile(t, "80")
	dmtest.Run(t, "lvchange", "--metadataprofile", "docker-thinpool", "docker/thinpool")
	dmtest.Run(t, "lvchange", "--monitor", "y", "docker/thinpool")
}

// smallPool makes the same in fewer steps: 32 MiB of data, 4 MiB of metadata,
// the same for LVM's spare, and 16 of the 56 MiB free. dmeventd is not told, so
// that the test decides when the pool grows.
func smallPool(t *testing.T, threshold string) (disk string) {
	t.Helper()
	disk = dmtest.Loop(t, 57*mib)
	removeGroup(t, groupName)
	writeProfile(t, threshold)
	dmtest.Run(t, "vgcreate", "docker", disk)
	dmtest.Run(t, "lvcreate", "--type", "thin-pool", "-n", "thinpool", "-L", "32M", "--poolmetadatasize", "4M", "-c", "512K", "--zero", "n",
		"--metadataprofile", "docker-thinpool", "--monitor", "n", "docker")
	return disk
}

func writeProfile(t *testing.T, threshold string) {
	t.Helper()
	profile := "activation {\n  thin_pool_autoextend_threshold=" + threshold + "\n  thin_pool_autoextend_percent=20\n}\n"
	if err := os.WriteFile("/etc/lvm/profile/docker-thinpool.profile", []byte(profile), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unmonitor leaves it to the test when the pool grows. Each lvextend tells
// dmeventd of the pool again.
func unmonitor(t *testing.T) {
	t.Helper()
	dmtest.Run(t, "lvchange", "--monitor", "n", "docker/thinpool")
}

// thin makes a thin device in docker-thinpool, with one of our UUIDs or not.
func thin(t *testing.T, uuid string) (path string) {
	t.Helper()
	dmtest.Run(t, "dmsetup", "message", "docker-thinpool", "0", "create_thin 7")
	dmtest.Run(t, "dmsetup", "create", "dmtest-thin", "--uuid", uuid, "--table", "0 131072 thin /dev/mapper/docker-thinpool 7")
	t.Cleanup(func() { dmtest.Run(t, "dmsetup", "remove", "--retry", "dmtest-thin") })
	return "/dev/mapper/dmtest-thin"
}

func write(t *testing.T, device string, size int) {
	t.Helper()
	dmtest.Run(t, "dd", "if=/dev/zero", "of="+device, "bs=1M", "oflag=direct", fmt.Sprintf("count=%d", size/mib))
}

func volumeOf(t *testing.T, cfg Config, v volume) lvm.LogicalVolume {
	t.Helper()
	lv, err := cfg.lvm().LogicalVolume(t.Context(), v.vg, v.lv)
	if err != nil {
		t.Fatal(err)
	}
	return lv
}
