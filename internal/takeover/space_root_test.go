//go:build roottest

package takeover

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a filesystem whose size can be changed.
type smallDisk string

func newSmallDisk(t *testing.T) smallDisk {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount a filesystem of a certain size: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return smallDisk(dir)
}

// leave makes the filesystem so small that this is free, of bytes and of inodes.
func (d smallDisk) leave(t *testing.T, bytes, inodes uint64) {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(string(d), &fs); err != nil {
		t.Fatal(err)
	}
	size := (fs.Blocks-fs.Bfree)*uint64(fs.Bsize) + bytes
	options := fmt.Sprintf("size=%d,nr_inodes=%d", size, fs.Files-fs.Ffree+inodes)
	if err := unix.Mount("", string(d), "", unix.MS_REMOUNT, options); err != nil {
		t.Fatalf("remount with %s: %v", options, err)
	}
}

const plenty = 64 << 20

func TestALackOfSpaceIsFoundBeforeAnythingChanges(t *testing.T) {
	adopt, undo, release := operations(t)
	for _, c := range []struct {
		what          string
		bytes, inodes uint64
	}{{"bytes", 1 << 20, plenty}, {"inodes", plenty, 3}} {
		disk := newSmallDisk(t)
		h := newDockerHostIn(t, string(disk))
		for _, o := range []operation{adopt, undo, release} {
			if o.name != "adopt" {
				h.do(t, adopt)
			}
			before := h.files(t)
			disk.leave(t, c.bytes, c.inodes)
			p, err := h.try(t, o, nil, nil)
			if names := findingNames(p); !errors.Is(err, ErrFound) || len(names) != 1 || names[0] != "space" {
				t.Errorf("%s with too few %s: %v, findings %q", o.name, c.what, err, names)
			}
			requireSame(t, o.name, before, h.files(t))
			disk.leave(t, plenty, plenty)
			if o.name != "adopt" {
				h.do(t, o)
			}
		}
	}
}

// The space may go after it was looked for, before any step: what has begun is
// finished once there is space again.
func TestADiskThatFillsMeanwhileLeavesWhatCanBeFinished(t *testing.T) {
	adopt, undo, _ := operations(t)
	disk := newSmallDisk(t)
	h := newDockerHostIn(t, string(disk))
	before := h.files(t)
	h.do(t, adopt)
	adopted := without(h.files(t), "docker/dmthin-takeover")
	h.do(t, undo)
	failed := 0
	for n, more := 0, true; more; n++ {
		var err error
		if more, err = h.fillAt(t, disk, adopt, n); err != nil {
			failed++
			h.do(t, adopt)
		}
		requireSame(t, fmt.Sprintf("adopt, with a full disk from step %d on", n), adopted, without(h.files(t), "docker/dmthin-takeover"))
		h.do(t, undo)
		requireSame(t, "undone", before, h.files(t))
	}
	if failed < 3 {
		t.Errorf("a full disk stopped it at %d steps only", failed)
	}
}

// fillAt does an operation whose disk is full from its step number n on. more is
// false when it has no such step. Then there is space again.
func (h *dockerHost) fillAt(t *testing.T, disk smallDisk, o operation, n int) (more bool, err error) {
	t.Helper()
	left := n
	_, err = h.try(t, o, nil, func(string) error {
		if left == 0 {
			more = true
			disk.leave(t, 0, plenty)
		}
		left--
		return nil
	})
	disk.leave(t, plenty, plenty)
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%s on a full disk: %v", o.name, err)
	}
	return more, err
}
