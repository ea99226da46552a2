//go:build dmtest

package thinpool_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestMappedCountsOwnAndSharedBlocks(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 3*64*kib)
	if got, err := pool.Mapped(t.Context(), device.Name); err != nil || got != 3*128 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := pool.Suspend(t.Context(), device.Name); err != nil {
		t.Fatal(err)
	}
	err := pool.CreateSnapshot(t.Context(), 2, 1)
	if err := errors.Join(err, pool.Resume(t.Context(), device.Name)); err != nil {
		t.Fatal(err)
	}
	activate(t, pool, thin(2))
	if got, err := pool.Mapped(t.Context(), thin(2).Name); err != nil || got != 3*128 {
		t.Errorf("snapshot: got %d, %v", got, err)
	}
	_, err = pool.Mapped(t.Context(), "dmtest-none")
	wantError(t, err, thinpool.ErrNotActive)
}

func TestDiscardFreesEveryBlock(t *testing.T) {
	spec := newSpec(t)
	spec.BlockSize = 192 * kib // no power of two: chunks have to be cut to it
	pool := openPool(t, spec)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 8*mib)
	if status(t, pool).DataUsed == 0 {
		t.Fatal("nothing was written")
	}
	if err := pool.Discard(t.Context(), node, []thinpool.Extent{{Length: device.Size}}); err != nil {
		t.Fatal(err)
	}
	if got, err := pool.Mapped(t.Context(), device.Name); err != nil || got != 0 {
		t.Errorf("%d sectors are still mapped, %v", got, err)
	}
	if used := status(t, pool).DataUsed; used != 0 {
		t.Errorf("%d blocks are still used", used)
	}
}

// mounted makes a filesystem on a device and mounts it until the test ends.
func mounted(t *testing.T, node thinpool.Device) string {
	t.Helper()
	dmtest.Run(t, "mkfs.ext4", "-q", node.Path)
	dir := t.TempDir()
	dmtest.Run(t, "mount", "-t", "ext4", node.Path, dir)
	t.Cleanup(func() { dmtest.Run(t, "umount", dir) })
	return dir
}

func TestMountedDeviceIsNotDiscarded(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	mounted(t, node)
	wantError(t, pool.Discard(t.Context(), node, []thinpool.Extent{{Length: device.Size}}), syscall.EBUSY)
}

// A snapshot of a mounted origin must hold what was written before, without
// journal replay and without fsck's complaint.
func TestSnapshotOfSuspendedMountedOriginIsClean(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	dir := mounted(t, node)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pool.Suspend(t.Context(), device.Name); err != nil {
		t.Fatal(err)
	}
	if !lookup(t, pool, device.Name).Suspended {
		t.Error("it is not suspended")
	}
	err := pool.CreateSnapshot(t.Context(), 2, 1)
	if err := errors.Join(err, pool.Resume(t.Context(), device.Name)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "later"), nil, 0o600); err != nil {
		t.Errorf("the resumed filesystem: %v", err)
	}

	copyNode := activate(t, pool, thin(2))
	dmtest.Run(t, "e2fsck", "-fn", copyNode.Path)
	copyDir := t.TempDir()
	dmtest.Run(t, "mount", "-t", "ext4", "-o", "ro,noload", copyNode.Path, copyDir)
	t.Cleanup(func() { dmtest.Run(t, "umount", copyDir) })
	if got, err := os.ReadFile(filepath.Join(copyDir, "file")); string(got) != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}
