//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/test/writelog"
)

// replayLab is a disk whose filesystem holds all of Docker's and dmthin's data,
// and the log of what was written to it. Its files are in memory: what is
// flushed there costs nothing.
type replayLab struct {
	dir   string
	point string // where the disk is mounted
}

const (
	replayDiskSize = 3 << 30
	replayLogSize  = 8 << 30
	replayDevice   = "dmthin-e2e-recorded"
	replayTurns    = "dmthin-e2e-in-turn"
)

// newReplayLab makes the disk "blank".
func newReplayLab(t *testing.T) replayLab {
	t.Helper()
	shell(t, "modprobe --all dm-log-writes dm-delay")
	lab := replayLab{dir: "/dev/shm/dmthin-e2e-replay", point: filepath.Join(env.data, "replay")}
	shell(t, fmt.Sprintf(`rm -rf %[1]s %[2]s; mkdir -p %[1]s %[2]s; cd %[1]s
truncate -s %[3]d blank; truncate -s %[4]d log
mkfs.ext4 -q -F -N 16384 -J size=32 -E lazy_itable_init=0,nodiscard blank`, lab.dir, lab.point, replayDiskSize, replayLogSize))
	t.Cleanup(func() { _ = os.RemoveAll(lab.dir) })
	return lab
}

// recorded has work done on a copy of the blank disk, and returns the log of it.
func (lab replayLab) recorded(t *testing.T, work func(mark func(word string))) *writelog.Log {
	t.Helper()
	lab.copy(t, "blank", "recorded")
	recorder, on := writelog.Recorder("$disk", "$log")
	order, above := writelog.InTurn("/dev/mapper/" + replayDevice)
	shell(t, fmt.Sprintf(`cd %s; disk=$(losetup --find --show recorded) log=$(losetup --find --show log)
sectors=$(blockdev --getsz $disk)
dmsetup create %s --table "0 $sectors %s %s"
dmsetup create %s --table "0 $sectors %s %s"
losetup --detach $disk; losetup --detach $log # their user keeps them
mount /dev/mapper/%[5]s %[8]s`, lab.dir, replayDevice, recorder, on, replayTurns, order, above, lab.point))
	work(func(word string) { shell(t, fmt.Sprintf("dmsetup message %s 0 mark %s", replayDevice, word)) })
	shell(t, fmt.Sprintf("umount %s; dmsetup remove --retry %s; dmsetup remove --retry %s; rm %s/recorded",
		lab.point, replayTurns, replayDevice, lab.dir))
	log, err := os.Open(filepath.Join(lab.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	writes, err := writelog.Read(log)
	if err != nil {
		t.Fatal(err)
	}
	return writes
}

// replay has each of the cuts, which are in the log's order, recovered from; try
// finds the disk mounted. It ends with the first that fails.
func (lab replayLab) replay(t *testing.T, writes *writelog.Log, cuts []writelog.Cut, seed uint64, try func(*testing.T, writelog.Cut)) {
	t.Helper()
	lab.copy(t, "blank", "base")
	base := lab.open(t, "base")
	done := 0
	for _, c := range cuts {
		if err := writes.ApplyAll(base, done, c.Certain()); err != nil {
			t.Fatal(err)
		}
		done = c.Certain()
		lab.copy(t, "base", "cut")
		if err := writes.Finish(lab.open(t, "cut"), c, seed); err != nil {
			t.Fatal(err)
		}
		if !t.Run(c.String(), func(t *testing.T) {
			shell(t, fmt.Sprintf("mount -o loop %s/cut %s", lab.dir, lab.point))
			try(t, c)
			shell(t, fmt.Sprintf("umount %s; e2fsck -fn %s/cut", lab.point, lab.dir))
		}) {
			return
		}
	}
}

func (lab replayLab) copy(t *testing.T, from, to string) {
	t.Helper()
	shell(t, fmt.Sprintf("cd %s; cp --sparse=always %s %s", lab.dir, from, to))
}

func (lab replayLab) open(t *testing.T, name string) writelog.SparseFile {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(lab.dir, name), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return writelog.SparseFile{File: f}
}
