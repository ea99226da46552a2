package layer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Create makes a layer as a snapshot of parent, or of the base device where
// parent is empty. size is its capacity in bytes; 0 takes the parent's, or
// the base device's where that is larger. A size that the parent's content does
// not fit is refused.
func (s *Store) Create(ctx context.Context, id, parent string, size int64) error {
	if err := state.CheckName(id); err != nil {
		return fmt.Errorf("create layer: %w", err)
	}
	l, size, err := s.snapshot(ctx, id, parent, roundUp(size))
	if err != nil {
		return fmt.Errorf("create layer %s: %w", id, err)
	}
	if l.record.Stage == state.StageReady {
		return nil
	}
	if err := s.prepare(ctx, l, size); err != nil {
		return errors.Join(fmt.Errorf("create layer %s with size %s: %w", id, units.BytesSize(float64(size)), err), s.takeAway(ctx, l))
	}
	return nil
}

// takeAway removes a layer that its maker gives up. Where another call has
// removed it, the ID may be another layer's by now.
func (s *Store) takeAway(ctx context.Context, l *layer) error {
	ctx = context.WithoutCancel(ctx)
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	if l.removed {
		return nil
	}
	if err := s.remove(ctx, l); err != nil {
		return fmt.Errorf("remove %s: %w", l, err)
	}
	return nil
}

// snapshot makes the layer with its parent's capacity. If it is to have another,
// the layer is left in stage preparing, for prepare.
func (s *Store) snapshot(ctx context.Context, id, parent string, size int64) (l *layer, wanted int64, err error) {
	unlock, err := s.locks.lock(ctx, id, recordName(parent))
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	if err := s.mustBeFree(id); err != nil {
		return nil, 0, err
	}
	if err := s.clearName(ctx, id); err != nil {
		return nil, 0, err
	}
	origin, err := s.origin(parent)
	if err != nil {
		return nil, 0, err
	}
	if err := s.enoughSpace(ctx); err != nil {
		return nil, 0, err
	}
	record := origin.record
	record.Parent, record.Initialized, record.Kept, record.UUID = parent, false, false, ""
	wanted = s.wanted(origin, size)
	if wanted != capacity(origin.record) {
		record.Stage = state.StagePreparing
	}
	l = &layer{id: id, device: s.names.device(id), record: record}
	return l, wanted, s.takeSnapshot(ctx, l, origin)
}

// wanted is the capacity of a new layer. Without a size of its own it gets its
// parent's, or the base device's where that has grown since the parent was made.
func (s *Store) wanted(origin *layer, size int64) int64 {
	switch {
	case size != 0:
		return size
	case s.base == nil:
		return capacity(origin.record)
	default:
		return max(capacity(origin.record), s.base.record.Size)
	}
}

// capacity is what a layer may hold: its device's size, or less by quota.
func capacity(r state.Record) int64 {
	if r.Limit > 0 {
		return r.Limit
	}
	return r.Size
}

func (s *Store) mustBeFree(id string) error {
	_, err := s.find(id)
	switch {
	case err == nil:
		return ErrExists
	case errors.Is(err, ErrUnknown):
		return nil
	default:
		return err
	}
}

func (s *Store) origin(parent string) (*layer, error) {
	if parent == "" {
		if s.base == nil {
			return nil, fmt.Errorf("base device: %w: %w", ErrDamaged, s.damaged[state.BaseName])
		}
		return s.base, nil
	}
	l, err := s.usable(parent)
	if err != nil {
		return nil, fmt.Errorf("parent %w", err)
	}
	return l, nil
}

// takeSnapshot runs the write protocol for a new layer. An origin in use is
// suspended meanwhile: that flushes and freezes its filesystem, without which
// the snapshot would hold a torn one. One that rests mounted for reading stays so:
// it has nothing to flush, and the next comparison with it finds it mounted.
func (s *Store) takeSnapshot(ctx context.Context, l, origin *layer) error {
	if origin.idle && origin.mounted == mountedWrite {
		if err := s.windDown(ctx, origin); err != nil {
			return err
		}
	}
	made, err := s.snapshotFrozen(ctx, l, origin)
	if made && err != nil { // nobody will hear of the layer
		err = errors.Join(err, s.remove(context.WithoutCancel(ctx), l))
	}
	return err
}

func (s *Store) snapshotFrozen(ctx context.Context, l, origin *layer) (made bool, err error) {
	thaw, err := s.freeze(ctx, origin)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.thawed(origin, thaw())) }() // also at a panic
	err = s.create(ctx, l, func(ctx context.Context, id thinpool.DeviceID) error {
		return s.sys.Pool.CreateSnapshot(ctx, id, thinpool.DeviceID(origin.record.DeviceID))
	})
	return err == nil, err
}

// freeze suspends a layer's device if anybody has it open. What nobody has open
// is still: its last close waited for all I/O. The returned function resumes it
// and must be called.
func (s *Store) freeze(ctx context.Context, l *layer) (thaw func() error, err error) {
	info, err := s.sys.Freezer.Lookup(ctx, l.device)
	if err != nil {
		return nil, err
	}
	if !info.Exists || info.OpenCount == 0 {
		return func() error { return nil }, nil
	}
	thaw = func() error { return s.sys.Freezer.Resume(context.WithoutCancel(ctx), l.device) }
	err = s.sys.Freezer.Suspend(ctx, l.device)
	if errors.Is(err, thinpool.ErrNotActive) {
		// Its deferred removal came in between: it is inactive, so quiet.
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("freeze %s: %w", l, err), thaw())
	}
	return thaw, nil
}

// create adds a device to the pool and its layer to the store.
func (s *Store) create(ctx context.Context, l *layer, message func(context.Context, thinpool.DeviceID) error) error {
	var err error
	for range maxTakenIDs {
		err = s.createOnce(ctx, l, message)
		if !errors.Is(err, thinpool.ErrDeviceExists) {
			break
		}
	}
	return err
}

// maxTakenIDs bounds how many device IDs in a row may turn out to be taken by
// devices that appeared in the pool after the start: LVM, say, may have made
// some.
const maxTakenIDs = 16

func (s *Store) createOnce(ctx context.Context, l *layer, message func(context.Context, thinpool.DeviceID) error) error {
	number, err := s.ids.Allocate()
	if err != nil {
		return err
	}
	id := thinpool.DeviceID(number)
	l.record.DeviceID = number
	err = s.changes.do(ctx, change{
		intent:  state.Intent{Name: l.name(), DeviceID: number, Op: state.OpCreate},
		message: func(ctx context.Context) error { return message(ctx, id) },
		record: func(transactionID uint64) error {
			l.record.TransactionID = transactionID
			return s.records.Add(l.name(), l.record)
		},
		undo: func(ctx context.Context) error {
			return errors.Join(s.records.Delete(l.name()), s.sys.Pool.Delete(ctx, id))
		},
		revoke: s.revoke,
	})
	if err != nil {
		if !errors.Is(err, thinpool.ErrDeviceExists) {
			s.ids.Free(number)
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.id != "" {
		s.layers[l.id] = l
	}
	return nil
}

// revokeTimeout bounds the wait for who reads the pool's metadata, which may be
// waiting for the change lock.
const revokeTimeout = 10 * time.Second

// revoke deletes the device of a creation that may have come to nothing.
func (s *Store) revoke(ctx context.Context, intent state.Intent) error {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	existing, err := s.sys.Inventory.Existing(ctx)
	if err == nil {
		_, err = s.deleteAgain(ctx, intent, existing)
	}
	if err != nil {
		return fmt.Errorf("find out whether device %d was made: %w", intent.DeviceID, err)
	}
	return nil
}

// prepare gives a new layer its own capacity. The layer counts as made only
// once that is done: until then its record says preparing, and a restart
// removes it.
func (s *Store) prepare(ctx context.Context, l *layer, size int64) error {
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	if l.removed {
		return ErrUnknown
	}
	if err := s.resize(ctx, l, size); err != nil {
		return err
	}
	l.record.Stage = state.StageReady
	return s.records.Put(l.name(), l.record)
}

func (s *Store) resize(ctx context.Context, l *layer, size int64) error {
	switch {
	case size > l.record.Size:
		return s.grow(ctx, l, size)
	case s.fs == filesystem.XFS:
		return s.limit(ctx, l, size) // xfs can't shrink
	default:
		return s.shrink(ctx, l, size)
	}
}

// roundUp returns the next multiple of what every device table and filesystem
// block size divides.
func roundUp(size int64) int64 {
	const unit = 64 << 10
	return (size + unit - 1) / unit * unit
}

// grow enlarges device and filesystem. A quota of the parent no longer applies.
func (s *Store) grow(ctx context.Context, l *layer, size int64) error {
	l.record.Size = size
	if err := s.mount(ctx, l, mountedWrite, ""); err != nil {
		return err
	}
	device, err := s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err == nil {
		err = s.sys.Resizer.Grow(ctx, device.Path, s.mountPoint(l), s.fs)
	}
	if err == nil && l.record.Limit > 0 {
		l.record.Limit = size
		err = s.sys.Resizer.LimitTree(ctx, device.Path, s.content(l), size)
	}
	return errors.Join(err, s.releaseUnused(ctx, l))
}

// limit enforces a capacity below the device's by a quota on the layer's tree.
func (s *Store) limit(ctx context.Context, l *layer, size int64) error {
	l.record.Limit = size
	if err := s.mount(ctx, l, mountedWrite, ""); err != nil {
		return err
	}
	device, err := s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err == nil {
		err = s.sys.Resizer.LimitTree(ctx, device.Path, s.content(l), size)
	}
	return errors.Join(err, s.releaseUnused(ctx, l))
}

// shrink makes the filesystem smaller first and the device after it, so that
// no crash leaves a device too small for its filesystem.
func (s *Store) shrink(ctx context.Context, l *layer, size int64) error {
	device, err := s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err != nil {
		return err
	}
	err = s.sys.Resizer.Shrink(ctx, device.Path, s.fs, size)
	if err := errors.Join(err, s.deactivate(ctx, l.device)); err != nil {
		return err
	}
	l.record.Size = size
	return nil
}
