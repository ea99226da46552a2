//go:build dmtest

package thinpool_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestDevicesThatNeverStartedAreFoundAndRemoved(t *testing.T) {
	pool := newPool(t)
	create(t, pool, 1)
	// What a process killed between two of the calls that make a device leaves.
	dmtest.Run(t, "dmsetup", "create", thin(1).Name, "--uuid", thin(1).UUID, "--notable")
	active, err := pool.Active(t.Context())
	if err != nil || len(active) != 1 || active[0].Name != thin(1).Name || active[0].Size != 0 {
		t.Errorf("active: %+v, %v", active, err)
	}
	if err := pool.Deactivate(t.Context(), thin(1).Name); err != nil {
		t.Error(err)
	}
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
