//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// writeMegabytes writes so much, synced, and tells how it ended.
func writeMegabytes(n int, file string) string {
	return fmt.Sprintf(`dd if=/dev/zero of=%s bs=1M count=%d conv=fsync 2>&1 | grep -v "records in"`, file, n)
}

// writeUntilRefused writes and syncs file after file until one fails. Without a
// sync a writer fills the page cache first, and nobody can tell it any sooner.
const writeUntilRefused = `i=0; while said=$(dd if=/dev/zero of=/big$i bs=1M count=16 conv=fsync 2>&1); do i=$((i+1)); done; echo "$said"`

// A twentieth of the disk is the pool's at first, so that there is something to
// grow by; then something else takes the rest.
//
//vm:once
func TestPain03AFullPoolGrowsOrFailsItsWritersAtOnce(t *testing.T) {
	before := kernelObjects(t)
	expectKernel(t, `device-mapper: thin: .*(out-of-data-space|reached low water mark|no free data space)`,
		`EXT4-fs.*dm-`, `Buffer I/O error on dev(ice)? dm-`, `Aborting journal on device dm-`, `JBD2: .*dm-`)
	s := directStack(t, "full", "dm.thinp_percent=5", "dm.thinp_metapercent=1", "dm.basesize=6G", "dm.min_free_space=5%")
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	// LVM's daemon would be as good; that ours does it is to be seen.
	shell(t, "lvchange --monitor n docker/thinpool")
	s.background(t, "other", "busybox", "echo kept >/file; sync; sleep 10000")
	t.Run("with space in the volume group no writer sees an error", func(t *testing.T) { poolGrows(t, s) })
	// From here on there is nothing to grow by.
	shell(t, "lvcreate -n filler -l 100%FREE docker")
	t.Run("without it they fail at once, and all else goes on", func(t *testing.T) { poolIsFull(t, s) })
	t.Run("after space is added writing goes on", func(t *testing.T) {
		shell(t, "lvremove --yes docker/filler")
		s.background(t, "again", "busybox", "sleep 10000")
		if out := s.shell(t, "again", writeMegabytes(700, "/big")); !strings.Contains(out, "700+0 records out") {
			t.Errorf("writing ended with: %s", out)
		}
	})
	s.run(t, "rm", "-f", "other", "again")
	s.stop(t)
	blankDisk(t, spareDisk)
	requireNothingLeft(t, before)
}

func poolGrows(t *testing.T, s *stack) {
	s.background(t, "writer", "busybox", "sleep 10000")
	if out := s.shell(t, "writer", writeMegabytes(700, "/big")); !strings.Contains(out, "700+0 records out") {
		t.Errorf("writing ended with: %s", out)
	}
	// The writer may be through before the daemon has noted what it did.
	eventually(t, 30*time.Second, "the daemon has extended the pool", func() bool {
		pool := s.status(t).Pool
		return pool.Growth.Extensions > 0 && pool.DataTotal > 700<<20
	})
	s.run(t, "rm", "-f", "writer")
}

func poolIsFull(t *testing.T, s *stack) {
	s.background(t, "writer", "busybox", "sleep 10000")
	done := make(chan string, 1)
	go func() {
		out, err := s.try("exec", "writer", "sh", "-c", writeUntilRefused)
		done <- fmt.Sprint(out, " ", err)
	}()
	var full time.Time
	var out string
	for out == "" {
		select {
		case out = <-done:
		case <-time.After(50 * time.Millisecond):
			if full.IsZero() && strings.Contains(shell(t, "dmsetup status --noflush docker-thinpool"), "out_of_data_space") {
				full = time.Now()
			}
		}
	}
	// Which of the two depends on what could not be written first, the file's
	// data or the filesystem's journal.
	if !strings.Contains(out, "No space left") && !strings.Contains(out, "Input/output error") {
		t.Errorf("writing into a full pool ended with: %s", out)
	}
	if took := time.Since(full); full.IsZero() || took > toldWithin {
		t.Errorf("the writer was told %s after the pool was full: %s", took, out)
	}
	if got := s.shell(t, "other", "cat /file"); got != "kept" {
		t.Errorf("another container reads %q", got)
	}
	if _, err := s.try("run", "--rm", "--network", "none", "busybox", "true"); err == nil || !strings.Contains(err.Error(), "space") {
		t.Errorf("docker run on a full pool: %v", err)
	}
	start := time.Now()
	s.run(t, "rm", "-f", "writer")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("removing the container took %s", took)
	}
	eventually(t, time.Minute, "the space comes back", func() bool {
		return s.status(t).Pool.DataUsed < s.status(t).Pool.DataTotal/2
	})
}

// toldWithin is for dd and docker to end on an emulated machine, after the
// write has failed: TestFullPoolFailsTheWriterAndNobodyElse measures that itself.
// Docker's driver took 67 s.
const toldWithin = 10 * time.Second

// A disk with anything on it stays as it is, whoever asks.
//
//vm:once
func TestASignedDiskIsRefusedAndLeftAlone(t *testing.T) {
	before := kernelObjects(t)
	defer blankDisk(t, spareDisk)
	shell(t, "mkfs.ext4 -q "+spareDisk)
	sum := shell(t, "head -c 64M "+spareDisk+" | sha256sum; tail -c 64M "+spareDisk+" | sha256sum")
	host := startHostDaemon(t)
	requireRefused(t, "signed", "ext4", "dm.directlvm_device="+spareDisk)
	if now := shell(t, "head -c 64M "+spareDisk+" | sha256sum; tail -c 64M "+spareDisk+" | sha256sum"); now != sum {
		t.Error("the disk has changed")
	}
	host.proc.stop(t)
	requireNothingLeft(t, before)
}

// The same pool in the plugin's form, whose LVM has neither the host's settings
// nor its daemons.
//
//vm:once
//vm:long
func TestManagedPluginOnDirectLVM(t *testing.T) {
	before := kernelObjects(t)
	registry(t)
	defer blankDisk(t, spareDisk)
	s := pluginStackWith(t, "direct-plugin", "dm.directlvm_device="+spareDisk, "dm.basesize=1G")
	if _, rows := s.info(t); rows[0][1] != "docker-thinpool" {
		t.Errorf("docker info says %s", rows[0])
	}
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	s.background(t, "kept", "busybox", "echo kept >/file; sync; sleep 10000")
	s.killDriver(t)
	if got := s.shell(t, "kept", "cat /file"); got != "kept" {
		t.Errorf("after a crash of the plugin the container's file holds %q", got)
	}
	s.dockerd.stop(t)
	shell(t, "vgchange --activate n docker") // as a reboot may leave it
	s.start(t)
	s.run(t, "start", "kept")
	if got := s.shell(t, "kept", "cat /file"); got != "kept" {
		t.Errorf("the container's file holds %q", got)
	}
	if out := shell(t, "lvs --noheadings -o lv_name docker 2>&1"); out != "thinpool" {
		t.Errorf("the host's lvs says: %s", out)
	}
	s.run(t, "rm", "-f", "kept")
	s.stop(t)
	blankDisk(t, spareDisk)
	requireNothingLeft(t, before)
}
