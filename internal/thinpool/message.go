package thinpool

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// DeviceID names a thin device inside its pool, 0 to MaxDeviceID.
type DeviceID uint32

// CreateThin makes an empty thin device. ErrDeviceExists: the ID is taken.
//
// Here and below: the kernel commits its metadata after the message but drops
// the error of that commit. Only a later Status that shows mode rw and the new
// transaction ID proves the change.
func (p *Pool) CreateThin(ctx context.Context, id DeviceID) error {
	return p.message(ctx, fmt.Sprintf("create_thin %d", id), id)
}

// CreateSnapshot makes a thin device that starts with the contents of origin.
// An active origin must be suspended by the caller: the kernel does not check,
// and the snapshot of one that is not may be torn.
func (p *Pool) CreateSnapshot(ctx context.Context, id, origin DeviceID) error {
	return p.message(ctx, fmt.Sprintf("create_snap %d %d", id, origin), id, origin)
}

// Delete removes a thin device and frees its blocks, without discarding them on
// the data device. ErrNoDevice: no such ID; ErrBusy: it is active.
func (p *Pool) Delete(ctx context.Context, id DeviceID) error {
	return p.message(ctx, fmt.Sprintf("delete %d", id), id)
}

// SetTransactionID sets the pool's transaction ID if it is from (else EINVAL).
func (p *Pool) SetTransactionID(ctx context.Context, from, to uint64) error {
	return p.message(ctx, fmt.Sprintf("set_transaction_id %d %d", from, to))
}

// Commit brings what the pool's metadata are at this moment to the metadata
// device. It fails where the pool can't be changed.
func (p *Pool) Commit(ctx context.Context) error {
	status, err := p.status(ctx, false)
	if err == nil {
		err = status.Check() // the kernel drops the error of the commit
	}
	// A suspended pool commits nothing for a status. It did before, and if it
	// is resumed by now, that is over.
	if err == nil {
		var info dm.Info
		if info, err = dm.Lookup(p.id); err == nil && info.Suspended {
			err = errSuspended
		}
	}
	if err != nil {
		return fmt.Errorf("commit the metadata of thin pool %s: %w", p.id.Name, explain(err))
	}
	return nil
}

// ReserveMetadataSnapshot pins the metadata as it is now, for reading while the
// pool is in use; Status.HeldRoot tells where. A pool has at most one: ErrBusy.
func (p *Pool) ReserveMetadataSnapshot(ctx context.Context) error {
	return p.message(ctx, "reserve_metadata_snap")
}

// ReleaseMetadataSnapshot lets the pinned metadata go. EINVAL: there is none.
func (p *Pool) ReleaseMetadataSnapshot(ctx context.Context) error {
	return p.message(ctx, "release_metadata_snap")
}

func (p *Pool) message(ctx context.Context, message string, ids ...DeviceID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		if id > MaxDeviceID {
			return fmt.Errorf("thin device ID %d is above %d", id, MaxDeviceID)
		}
	}
	err := dm.Message(p.id, message)
	if errors.Is(err, unix.EOPNOTSUPP) { // the answer to any message in that mode
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return explain(err)
}
