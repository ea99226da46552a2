package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Remove deletes a layer, however often it was got. An unknown layer is a
// success. It answers once the layer's name is durably free; the blocks follow
// in the background, since dockerd holds the lock of its layer store while it
// waits. With deferred deletion off the blocks go first, and a layer whose
// device is busy stays.
func (s *Store) Remove(ctx context.Context, id string) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.remove(context.WithoutCancel(ctx), l); err != nil {
		return fmt.Errorf("remove %s: %w", l, err)
	}
	return nil
}

func (s *Store) remove(ctx context.Context, l *layer) error {
	mount, err := s.freeMountPoint(ctx, l)
	if err != nil {
		return err
	}
	tombstone, err := s.records.Bury(l.name(), l.record)
	if err != nil {
		return errors.Join(err, ignoreBusy(s.endMount(ctx, mount, l.device)))
	}
	l.removed, l.refs = true, 0
	s.mu.Lock()
	delete(s.layers, l.id)
	delete(s.failing, l.String())
	s.tombstones[tombstone] = l.record
	if mount != nil {
		s.detached[tombstone] = mount
	}
	if s.opts.DeferredDeletion {
		s.named[l.id] = tombstone
	}
	s.mu.Unlock()
	if s.opts.DeferredDeletion {
		s.reclaimer.wake()
		return nil
	}
	if err := s.reclaim(ctx, tombstone, l.record); err != nil {
		s.reclaimer.wake() // the layer is gone all the same
		return err
	}
	return nil
}

// freeMountPoint leaves the layer's mount point to a new layer. What is mounted is
// only taken off its place, since the unmount itself writes; mount is what is left to
// be ended. Without deferred deletion the device is inactive afterwards.
func (s *Store) freeMountPoint(ctx context.Context, l *layer) (mount io.Closer, err error) {
	if l.mounted != unmounted && s.opts.DeferredDeletion {
		mount, err = s.sys.Mounter.Detach(s.mountPoint(l))
		if errors.Is(err, fs.ErrNotExist) { // only its device is active
			mount, err = nil, nil
		}
		if err != nil {
			return nil, err
		}
		if err := s.left(l, unmounted); err != nil {
			return nil, errors.Join(err, ignoreBusy(s.endMount(ctx, mount, l.device)))
		}
		return mount, nil
	}
	err = s.release(ctx, l)
	if err != nil && !errors.Is(err, thinpool.ErrBusy) {
		return nil, err
	}
	return nil, s.mustBeInactive(ctx, l)
}

// mustBeInactive refuses a device that is still active where it can't be left to the
// reclaimer.
func (s *Store) mustBeInactive(ctx context.Context, l *layer) error {
	if s.opts.DeferredDeletion {
		return nil
	}
	info, err := s.sys.Freezer.Lookup(ctx, l.device)
	if err == nil && info.Exists {
		err = fmt.Errorf("device %s: %w: stop what uses it, or set dm.use_deferred_deletion=true", l.device, thinpool.ErrBusy)
	}
	return err
}

// endMount ends what is left of a removed layer's mount and deactivates its
// device. Where somebody else has that open, the kernel does it in the end.
func (s *Store) endMount(ctx context.Context, mount io.Closer, device string) error {
	ctx = context.WithoutCancel(ctx) // an active device would keep the pool busy
	if mount != nil {
		if err := mount.Close(); err != nil {
			return err
		}
	}
	err := s.sys.Devices.Deactivate(ctx, device)
	if errors.Is(err, thinpool.ErrBusy) && s.opts.DeferredRemoval {
		err = errors.Join(err, s.sys.Devices.DeactivateDeferred(ctx, device))
	}
	return err
}

// takeMount returns what is left of a removed layer's mount, once.
func (s *Store) takeMount(tombstone string) io.Closer {
	s.mu.Lock()
	defer s.mu.Unlock()
	mount := s.detached[tombstone]
	delete(s.detached, tombstone)
	return mount
}

// endRemoved leaves no mount and no device of removed layers, however far the
// work on them had come. It is for a store that is being closed.
func (s *Store) endRemoved(ctx context.Context) error {
	var errs []error
	pending := s.pending()
	for tombstone, r := range pending {
		errs = append(errs, s.freeName(ctx, state.BuriedName(tombstone, r)))
	}
	devices, err := s.sys.Inventory.Active(ctx)
	if err != nil {
		errs = append(errs, fmt.Errorf("look for active devices: %w", err))
	}
	for tombstone, r := range pending {
		mount, device := s.takeMount(tombstone), s.names.deleted(r.DeviceID)
		active := func(d thinpool.Info) bool { return d.Name == device }
		if mount != nil || slices.ContainsFunc(devices, active) {
			errs = append(errs, ignoreBusy(s.endMount(ctx, mount, device)))
		}
	}
	return errors.Join(errs...)
}

func ignoreBusy(err error) error {
	if errors.Is(err, thinpool.ErrBusy) {
		return nil
	}
	return err
}

// reclaim gives the blocks of a removed layer back to the pool. Of two callers
// with the same tombstone the second finds nothing to do.
func (s *Store) reclaim(ctx context.Context, tombstone string, r state.Record) error {
	if err := s.freeName(ctx, state.BuriedName(tombstone, r)); err != nil {
		return err
	}
	unlock, err := s.locks.lock(ctx, tombstone)
	if err != nil {
		return err
	}
	defer unlock()
	if !s.isPending(tombstone) {
		return nil
	}
	if mount := s.takeMount(tombstone); mount != nil {
		if err := mount.Close(); err != nil {
			return err
		}
	}
	done, err := s.discardTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := s.empty(ctx, tombstone, r); err != nil {
		return err
	}
	err = s.changes.do(ctx, change{
		intent: state.Intent{Name: tombstone, DeviceID: r.DeviceID, Op: state.OpDelete},
		message: func(ctx context.Context) error {
			return ignoreGone(s.sys.Pool.Delete(ctx, thinpool.DeviceID(r.DeviceID)))
		},
		record: func(uint64) error { return s.records.Delete(tombstone) },
	})
	if err != nil {
		return err
	}
	s.ids.Free(r.DeviceID)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tombstones, tombstone)
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, thinpool.ErrNoDevice) {
		return nil
	}
	return err
}

// baseSize is how large a layer was before it was made smaller: blocks behind
// its end are its own as well.
func (s *Store) baseSize() int64 {
	if s.base == nil {
		return 0
	}
	return s.base.record.Size
}

// empty leaves a removed layer's device inactive, its blocks discarded if they
// are to be. The device is often still active under its last name; making it
// anew would take longer than the discard.
func (s *Store) empty(ctx context.Context, tombstone string, r state.Record) error {
	if s.opts.Discard {
		err := s.discard(ctx, tombstone, r)
		if err != nil && ctx.Err() == nil && !errors.Is(err, thinpool.ErrBusy) {
			s.log.WithError(err).WithField("device_id", r.DeviceID).Warn("space of a removed layer may stay allocated on the host")
		}
	}
	if err := s.endMount(ctx, nil, s.names.deleted(r.DeviceID)); err != nil {
		return err
	}
	return ctx.Err() // deleted now, what is not discarded would stay allocated below the pool
}

// discard tells the device below the pool which blocks are free: dm-thin passes
// discards of a thin device down, deletions it does not. A loop file shrinks
// only this way. The device stays active; the kernel refuses one in use.
func (s *Store) discard(ctx context.Context, tombstone string, r state.Record) error {
	thin := thinpool.Thin{
		Name: s.names.deleted(r.DeviceID), UUID: s.names.uuid(r.DeviceID, state.BuriedName(tombstone, r)),
		ID: thinpool.DeviceID(r.DeviceID), Size: max(r.Size, s.baseSize()),
	}
	device, err := s.sys.Devices.Activate(ctx, thin, false)
	if errors.Is(err, thinpool.ErrNoDevice) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.sys.Devices.Discard(ctx, thin, device)
}

// discards is a lock that no layer's ID can name.
const discards = ".discards"

// discardTurn waits until no other device is discarded and deleted: of two that
// share a block each finds it shared as long as the other is there, and neither
// would pass its discard down.
func (s *Store) discardTurn(ctx context.Context) (done func(), err error) {
	if !s.opts.Discard {
		return func() {}, nil
	}
	return s.locks.lock(ctx, discards)
}
