//go:build dmtest

package thinpool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestActiveDeviceIsDescribed(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 3)
	want := thinpool.Info{Exists: true, Name: device.Name, UUID: device.UUID, Device: node, ID: 3, Size: device.Size}
	if diff := cmp.Diff(want, lookup(t, pool, device.Name)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	active, err := pool.Active(t.Context())
	if diff := cmp.Diff([]thinpool.Info{want}, active); err != nil || diff != "" {
		t.Errorf("active: %v (-want +got)\n%s", err, diff)
	}
	if lookup(t, pool, "dmtest-none").Exists {
		t.Error("a device that is not there exists")
	}
}

func TestActivateIsIdempotent(t *testing.T) {
	pool := newPool(t)
	device, first := createActive(t, pool, 1)
	if second := activate(t, pool, device); second != first {
		t.Errorf("got %v, then %v", first, second)
	}
}

func TestActivateWithSyncBringsTheSymlink(t *testing.T) {
	pool := newPool(t)
	create(t, pool, 1)
	if _, err := pool.Activate(t.Context(), thin(1), true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat("/dev/mapper/" + thin(1).Name); err != nil {
		t.Error(err)
	}
}

func TestActivateRepairsWhatACrashLeft(t *testing.T) {
	pool := newPool(t)
	device, _ := createActive(t, pool, 1)
	dmtest.Run(t, "dmsetup", "suspend", device.Name)
	activate(t, pool, device)
	if lookup(t, pool, device.Name).Suspended {
		t.Error("it is still suspended")
	}
	create(t, pool, 2)
	dmtest.Run(t, "dmsetup", "create", thin(2).Name, "--uuid", thin(2).UUID, "--notable")
	if lookup(t, pool, thin(2).Name).Exists {
		t.Error("a device without a table exists")
	}
	activate(t, pool, thin(2))
}

func TestActivateGrowsButNeverShrinks(t *testing.T) {
	pool := newPool(t)
	device, _ := createActive(t, pool, 1)
	device.Size = 64 * mib
	activate(t, pool, device)
	if got := lookup(t, pool, device.Name); got.Size != 64*mib || got.Suspended {
		t.Errorf("got %+v", got)
	}
	device.Size = 16 * mib
	activate(t, pool, device)
	if got := lookup(t, pool, device.Name).Size; got != 64*mib {
		t.Errorf("shrunk to %d", got)
	}
	if pool.Resize(t.Context(), device) == nil {
		t.Error("resize shrinks")
	}
	device.Size = 96 * mib
	if err := pool.Resize(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, pool, device.Name); got.Size != 96*mib || got.Suspended {
		t.Errorf("got %+v", got)
	}
}

func TestResizeThatFailsLeavesTheDeviceRunning(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 512)
	wrong := device
	wrong.ID, wrong.Size = 2, 64*mib
	wantError(t, pool.Resize(t.Context(), wrong), thinpool.ErrForeign)
	if got := lookup(t, pool, device.Name); got.Suspended || got.Size != device.Size {
		t.Errorf("got %+v", got)
	}
	if got := firstByte(t, node); got != 'x' {
		t.Errorf("reads %q", got)
	}
}

func TestForeignDevicesAreLeftAlone(t *testing.T) {
	pool := newPool(t)
	ctx := t.Context()
	create(t, pool, 1)
	device := thin(1)
	dmtest.Run(t, "dmsetup", "create", device.Name, "--uuid", "LVM-x", "--table", "0 65536 error")
	defer dmtest.Run(t, "dmsetup", "remove", device.Name)

	_, err := pool.Activate(ctx, device, false)
	wantError(t, err, thinpool.ErrForeign)
	wantError(t, pool.Deactivate(ctx, device.Name), thinpool.ErrForeign)
	wantError(t, pool.DeactivateDeferred(ctx, device.Name), thinpool.ErrForeign)
	wantError(t, pool.Suspend(ctx, device.Name), thinpool.ErrForeign)
	wantError(t, pool.Resume(ctx, device.Name), thinpool.ErrForeign)
	wantError(t, pool.Rename(ctx, device.Name, "dmtest-renamed"), thinpool.ErrForeign)
	wantError(t, pool.Resize(ctx, device), thinpool.ErrForeign)
	_, err = pool.Mapped(ctx, device.Name)
	wantError(t, err, thinpool.ErrForeign)
	_, err = pool.Lookup(ctx, device.Name)
	wantError(t, err, thinpool.ErrForeign)
	wantError(t, pool.Deactivate(ctx, pool.Name()), thinpool.ErrForeign)

	if got := dmtest.Run(t, "dmsetup", "info", "-c", "--noheadings", "-o", "uuid,suspended,open", device.Name); got != "LVM-x:Active:0\n" {
		t.Errorf("it has become %q", got)
	}
}

func TestDiscardLeavesForeignDataAlone(t *testing.T) {
	pool := newPool(t)
	loop := dmtest.Loop(t, mib)
	if err := os.WriteFile(loop, []byte("precious"), 0); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(loop, &st); err != nil {
		t.Fatal(err)
	}
	for name, device := range map[string]thinpool.Device{
		"loop device":     {Path: loop, Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)},
		"wrong number":    {Path: loop, Major: 253, Minor: 999},
		"the pool itself": {Path: "/dev/mapper/" + pool.Name()},
	} {
		if err := pool.Discard(t.Context(), device, mib); err == nil {
			t.Errorf("%s: discarded", name)
		}
	}
	if got := firstByte(t, thinpool.Device{Path: loop}); got != 'p' {
		t.Errorf("reads %q", got)
	}
}

func TestOtherDeviceOfThePoolIsNotAdopted(t *testing.T) {
	pool := newPool(t)
	device, _ := createActive(t, pool, 1)
	create(t, pool, 2)
	otherUUID := device
	otherUUID.UUID = thin(2).UUID
	_, err := pool.Activate(t.Context(), otherUUID, false)
	wantError(t, err, thinpool.ErrForeign)
	otherID := device
	otherID.ID = 2
	_, err = pool.Activate(t.Context(), otherID, false)
	wantError(t, err, thinpool.ErrForeign)
}

func TestSameDeviceUnderAnotherNameIsNamed(t *testing.T) {
	pool := newPool(t)
	device, _ := createActive(t, pool, 1)
	again := device
	again.Name = "dmtest-again"
	_, err := pool.Activate(t.Context(), again, false)
	wantError(t, err, thinpool.ErrBusy)
	if err := pool.Rename(t.Context(), device.Name, again.Name); err != nil {
		t.Fatal(err)
	}
	activate(t, pool, again)
	wantError(t, pool.Rename(t.Context(), again.Name, pool.Name()), thinpool.ErrDeviceExists)
	wantError(t, pool.Rename(t.Context(), device.Name, "dmtest-x"), thinpool.ErrNotActive)
}

func TestDeactivateIsIdempotentAndKeepsData(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 512)
	f, err := os.Open(node.Path)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, pool.Deactivate(t.Context(), device.Name), thinpool.ErrBusy)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := pool.Deactivate(t.Context(), device.Name); err != nil {
			t.Error(err)
		}
	}
	if got := firstByte(t, activate(t, pool, device)); got != 'x' {
		t.Errorf("reads %q", got)
	}
}

func TestActivateTakesBackADeferredDeactivation(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	f, err := os.Open(node.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
		t.Fatal(err)
	}
	if !lookup(t, pool, device.Name).DeferredRemove {
		t.Error("it is not pending")
	}
	if again := activate(t, pool, device); again != node {
		t.Errorf("got %v, want %v", again, node)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // for the kernel to remove it, if it still meant to
	if info := lookup(t, pool, device.Name); !info.Exists || info.DeferredRemove {
		t.Errorf("got %+v", info)
	}
	for range 2 {
		if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
			t.Error(err)
		}
	}
}

// The last close may happen at any moment; whichever way it falls, the device
// is active afterwards and stays.
func TestActivateSurvivesRaceWithDeferredRemoval(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	for range 50 {
		f, err := os.Open(node.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
			t.Fatal(err)
		}
		var closed sync.WaitGroup
		closed.Go(func() { _ = f.Close() })
		node = activate(t, pool, device)
		closed.Wait()
		if info := lookup(t, pool, device.Name); !info.Exists || info.DeferredRemove {
			t.Fatalf("got %+v", info)
		}
	}
}

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
	if err := pool.Discard(t.Context(), node, device.Size); err != nil {
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
	wantError(t, pool.Discard(t.Context(), node, device.Size), syscall.EBUSY)
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

func TestDevicesActivateSideBySide(t *testing.T) {
	pool := newPool(t)
	const workers = 16
	for id := range thinpool.DeviceID(workers) {
		create(t, pool, id)
	}
	var group sync.WaitGroup
	for id := range thinpool.DeviceID(workers) {
		group.Go(func() {
			for round := range 3 {
				if err := useAlone(t, pool, id, round); err != nil {
					t.Errorf("device %d, round %d: %v", id, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// useAlone checks that a device holds what this worker last wrote, and that
// every answer is about it and no other.
func useAlone(t *testing.T, pool *thinpool.Pool, id thinpool.DeviceID, round int) error {
	device := thin(id)
	device.Size = int64(32+id) * mib
	node, err := pool.Activate(t.Context(), device, false)
	if err != nil {
		return err
	}
	if got := firstByte(t, node); round > 0 && got != byte('A'+int(id)+round-1) {
		return fmt.Errorf("reads %q", got)
	}
	fill(t, node, byte('A'+int(id)+round), 64*kib)
	info, err := pool.Lookup(t.Context(), device.Name)
	if err != nil || info.ID != id || info.Size != device.Size || info.Device != node {
		return fmt.Errorf("got %+v, %w", info, err)
	}
	if _, err := pool.Activate(t.Context(), thin(id+100), false); !errors.Is(err, thinpool.ErrNoDevice) {
		return fmt.Errorf("missing device: %w", err)
	}
	if mapped, err := pool.Mapped(t.Context(), device.Name); err != nil || mapped != 128 {
		return fmt.Errorf("%d sectors mapped, %w", mapped, err)
	}
	return pool.Deactivate(t.Context(), device.Name)
}
