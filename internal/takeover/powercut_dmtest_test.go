//go:build dmtest

package takeover

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/test/writelog"
)

// cutHost is a host on a disk of its own, whose writes are recorded.
type cutHost struct {
	*dockerHost

	point              string // where the disk is mounted
	before, log        *os.File
	asDocker, asDMThin map[string]string
}

const (
	cutDiskSize = 96 << 20
	cutDevice   = "takeover-cut"
)

// TestAPowerCutAtAnyWriteEndsInAWholeState replays what adopt, undo and release
// wrote to the disk up to each flush, with what was written after it lost but
// for some of it, as a disk with a cache leaves it. dockerd can't start on a
// half then, and the operation, run again, ends in its whole state; an adoption
// is taken back as well.
//
//vm:once
func TestAPowerCutAtAnyWriteEndsInAWholeState(t *testing.T) {
	adopt, undo, release := operations(t)
	h := recordedHost(t, adopt, undo, adopt, release)
	writes, err := writelog.Read(h.log)
	if err != nil {
		t.Fatal(err)
	}
	var now operation
	cuts, done := 0, map[string]int{}
	for n, w := range writes.Entries {
		switch w.Mark {
		case "adopt":
			now = adopt
		case "undo":
			now = undo
		case "release":
			now = release
		}
		repeat(t, writes, h.before, w)
		if !w.Durable() || now.plan == nil {
			continue
		}
		if cuts++; cuts%cutEvery != 0 {
			continue
		}
		then := now
		if now.name == "adopt" && cuts/cutEvery%2 == 0 {
			then = undo
		}
		done[now.name+", then "+then.name]++
		h.cut(t, writes, n+1, fmt.Sprintf("cut %d, in %s, then %s", cuts, now.name, then.name), then)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d writes, %d times to cut the power; cut: %v", len(writes.Entries), cuts, done)
	if len(done) < 4 {
		t.Errorf("not every operation was cut: %v", done)
	}
}

// cut has the power fail now, while the disk still had what comes next in its
// cache, and has the host come up again.
func (h *cutHost) cut(t *testing.T, writes *writelog.Log, next int, what string, then operation) {
	t.Helper()
	disk := filepath.Join(tempDir(t), "disk")
	defer func() { _ = os.Remove(disk) }()
	dmtest.Run(t, "cp", "--sparse=always", h.before.Name(), disk)
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(next), 1))
	for _, w := range writes.Entries[next:] {
		if w.Durable() {
			break
		}
		if random.IntN(2) == 0 {
			repeat(t, writes, f, w)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	h.mounted(t, disk, func() {
		h.requireGuarded(t, what)
		want := h.asDocker
		if then.name == "adopt" {
			want = h.asDMThin
		}
		// Nothing to do: it had not begun, or was complete.
		if _, err := h.try(t, then, nil, nil); err != nil && !errors.Is(err, ErrNothing) {
			t.Errorf("%s: %v", what, err)
		}
		requireSame(t, what, want, h.state(t))
	})
}

// requireGuarded finds that dockerd can't start, or that all is whole.
func (h *cutHost) requireGuarded(t *testing.T, what string) {
	t.Helper()
	if strings.HasPrefix(h.settings(t).StorageDriver, guardPrefix) {
		return
	}
	state := h.state(t)
	if !cmp.Equal(state, h.asDocker) && !cmp.Equal(state, h.asDMThin) {
		t.Errorf("%s: dockerd starts on a half: %s", what, cmp.Diff(h.asDocker, state))
	}
}

func (h *cutHost) state(t *testing.T) map[string]string {
	t.Helper()
	return without(h.files(t), "docker/dmthin-takeover")
}

// recordedHost does the operations on a recorded disk.
func recordedHost(t *testing.T, all ...operation) *cutHost {
	t.Helper()
	dir := tempDir(t)
	h := &cutHost{point: filepath.Join(dir, "mounted"), before: sparseFile(t, dir, "before", cutDiskSize), log: sparseFile(t, dir, "log", 8*cutDiskSize)}
	if err := os.Mkdir(h.point, 0o755); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "mkfs.ext4", "-q", "-F", "-J", "size=4", h.before.Name())
	h.mounted(t, h.before.Name(), func() {
		h.dockerHost = newDockerHostIn(t, h.point)
		h.asDocker = h.state(t)
	})
	disk := filepath.Join(dir, "disk")
	dmtest.Run(t, "cp", "--sparse=always", h.before.Name(), disk)
	device, log := attach(t, disk), attach(t, h.log.Name())
	dmtest.Run(t, "modprobe", "dm-log-writes")
	dmtest.Run(t, "dmsetup", "create", cutDevice, "--table", fmt.Sprintf("0 %d log-writes %s %s", cutDiskSize/512, device, log))
	h.mounted(t, "/dev/mapper/"+cutDevice, func() {
		for n, o := range all {
			dmtest.Run(t, "dmsetup", "message", cutDevice, "0", "mark", o.name)
			h.do(t, o)
			if n == 0 {
				h.asDMThin = h.state(t)
			}
		}
	})
	dmtest.Run(t, "dmsetup", "remove", "--retry", cutDevice)
	dmtest.Run(t, "losetup", "--detach", device, log)
	return h
}

func attach(t *testing.T, file string) string {
	t.Helper()
	return strings.TrimSpace(dmtest.Run(t, "losetup", "--find", "--show", file))
}

// mounted mounts a device or a disk's file for as long as use takes.
func (h *cutHost) mounted(t *testing.T, disk string, use func()) {
	t.Helper()
	dmtest.Run(t, "mount", disk, h.point)
	defer dmtest.Run(t, "umount", h.point)
	use()
}

func sparseFile(t *testing.T, dir, name string, size int64) *os.File {
	t.Helper()
	path := filepath.Join(dir, name)
	makeFile(t, path, size)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// cutDisk is a disk that forgets nothing: what a filesystem discards it doesn't
// read again.
type cutDisk struct{ *os.File }

func (cutDisk) Zero(int64, int64) error { return nil }

// repeat does to a disk what was done to the recorded one.
func repeat(t *testing.T, log *writelog.Log, disk *os.File, w writelog.Entry) {
	t.Helper()
	if err := log.Apply(cutDisk{disk}, w); err != nil {
		t.Fatal(err)
	}
}
