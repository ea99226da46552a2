//go:build dmtest

package thinpool_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// One device that an operator has broken must not keep all others from being
// adopted.
func TestDeviceWithForeignTableIsNotCountedAsActive(t *testing.T) {
	pool := newPool(t)
	device, _ := createActive(t, pool, 1)
	broken := thin(2)
	dmtest.Run(t, "dmsetup", "create", broken.Name, "--uuid", broken.UUID, "--table", "0 65536 error")
	defer dmtest.Run(t, "dmsetup", "remove", broken.Name)
	active, err := pool.Active(t.Context())
	if err != nil || len(active) != 1 || active[0].Name != device.Name {
		t.Errorf("got %v, %v", active, err)
	}
	_, err = pool.Activate(t.Context(), broken, false)
	wantError(t, err, thinpool.ErrForeign)
}

func TestResizeOfAnotherDeviceIsRefused(t *testing.T) {
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
		if err := pool.Discard(t.Context(), device, []thinpool.Extent{{Length: mib}}); err == nil {
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
