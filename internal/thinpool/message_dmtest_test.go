//go:build dmtest

package thinpool_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestRefusedMessagesAreToldApart(t *testing.T) {
	pool := newPool(t)
	ctx := t.Context()
	createActive(t, pool, 1)

	wantError(t, pool.CreateThin(ctx, 1), thinpool.ErrDeviceExists)
	wantError(t, pool.CreateThin(ctx, 1), syscall.EEXIST)
	wantError(t, pool.CreateSnapshot(ctx, 1, 1), thinpool.ErrDeviceExists)
	wantError(t, pool.CreateSnapshot(ctx, 2, 9), thinpool.ErrNoDevice)
	wantError(t, pool.Delete(ctx, 9), thinpool.ErrNoDevice)
	wantError(t, pool.Delete(ctx, 9), syscall.ENODATA)
	wantError(t, pool.Delete(ctx, 1), thinpool.ErrBusy)
	wantError(t, pool.SetTransactionID(ctx, 3, 4), syscall.EINVAL)
	wantError(t, pool.ReleaseMetadataSnapshot(ctx), syscall.EINVAL)
	if pool.CreateThin(ctx, thinpool.MaxDeviceID+1) == nil {
		t.Error("a device ID above the limit is accepted")
	}
}

func TestLargestDeviceIDWorks(t *testing.T) {
	pool := newPool(t)
	createActive(t, pool, thinpool.MaxDeviceID)
}

func TestDeletedDeviceIsGone(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 4*64*kib)
	if err := pool.Deactivate(t.Context(), device.Name); err != nil {
		t.Fatal(err)
	}
	if err := pool.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if used := status(t, pool).DataUsed; used != 0 {
		t.Errorf("%d blocks are still used", used)
	}
	_, err := pool.Activate(t.Context(), device, false)
	wantError(t, err, thinpool.ErrNoDevice)
	if lookup(t, pool, device.Name).Exists {
		t.Error("a failed activation leaves a device")
	}
}

func TestTransactionIDIsCompareAndSwap(t *testing.T) {
	pool := newPool(t)
	if err := pool.SetTransactionID(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	wantError(t, pool.SetTransactionID(t.Context(), 0, 2), syscall.EINVAL)
	if got := status(t, pool).TransactionID; got != 1 {
		t.Errorf("got %d", got)
	}
}

func TestMetadataSnapshotIsHeldUntilReleased(t *testing.T) {
	pool := newPool(t)
	if err := pool.ReserveMetadataSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status(t, pool).HeldRoot == 0 {
		t.Error("no held root")
	}
	wantError(t, pool.ReserveMetadataSnapshot(t.Context()), thinpool.ErrBusy)
	if err := pool.ReleaseMetadataSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status(t, pool).HeldRoot != 0 {
		t.Error("still held")
	}
}

func TestASuspendedPoolCommitsNothing(t *testing.T) {
	pool := newPool(t)
	if err := pool.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "dmsetup", "suspend", pool.Name())
	err := pool.Commit(t.Context())
	dmtest.Run(t, "dmsetup", "resume", pool.Name())
	if err == nil {
		t.Error("a commit of a suspended pool succeeded")
	}
}

func TestCancelledContextSendsNothing(t *testing.T) {
	pool := newPool(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, pool.CreateThin(ctx, 1), context.Canceled)
	_, err := pool.Activate(ctx, thin(1), false)
	wantError(t, err, context.Canceled)
	wantError(t, pool.Close(ctx), context.Canceled)
	create(t, pool, 1)
}

// A pool that can't commit any more must be told apart from one that works:
// Docker's driver never looked.
func TestReadOnlyPoolIsNoticed(t *testing.T) {
	spec := newSpec(t)
	pool := openPool(t, spec)
	table := dmtest.Run(t, "dmsetup", "table", spec.Name)
	dmtest.Run(t, "sh", "-c", `dmsetup reload "$0" --table "$(echo "$1" | sed 's/ 1 skip_block_zeroing/ 2 skip_block_zeroing read_only/')" && dmsetup resume "$0"`, spec.Name, table)
	wantError(t, status(t, pool).Check(), thinpool.ErrReadOnly)
	wantError(t, pool.CreateThin(t.Context(), 1), thinpool.ErrReadOnly)
	wantError(t, pool.Delete(t.Context(), 1), thinpool.ErrReadOnly)
}

func TestFullPoolIsNoticed(t *testing.T) {
	spec := newSpec(t)
	spec.DataDevice, spec.ErrorIfNoSpace = dmtest.Loop(t, 1*mib), true
	pool := openPool(t, spec)
	_, node := createActive(t, pool, 1)
	dmtest.Run(t, "sh", "-c", `! dd if=/dev/zero of="$0" bs=64k count=32 oflag=direct 2>/dev/null`, node.Path)
	got := status(t, pool)
	wantError(t, got.Check(), thinpool.ErrOutOfDataSpace)
	if got.DataUsed != got.DataTotal {
		t.Errorf("got %+v", got)
	}
}
