package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/docker/go-units"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// openBase makes the base device, or checks the one there is: the formatted
// empty device that every layer without a parent is a snapshot of.
func (s *Store) openBase(ctx context.Context) error {
	if _, damaged := s.damaged[state.BaseName]; damaged {
		return s.openWithoutBase()
	}
	if s.base != nil && !s.base.record.Initialized {
		// It was never formatted to the end, so nothing can stem from it.
		if err := s.discardBase(ctx); err != nil {
			return err
		}
	}
	if s.base == nil {
		return s.makeBase(ctx)
	}
	if err := s.checkBase(ctx); err != nil {
		return err
	}
	return s.growBase(ctx)
}

// openWithoutBase serves the layers there are; none without a parent can be made.
func (s *Store) openWithoutBase() error {
	set, err := s.deviceSet()
	if err != nil {
		return err
	}
	s.fs, err = filesystem.ParseType(set.BaseFilesystem)
	return err
}

func (s *Store) discardBase(ctx context.Context) error {
	r := s.base.record
	if err := s.sys.Devices.Deactivate(ctx, s.base.device); err != nil {
		return err
	}
	tombstone, err := s.records.Bury(state.BaseName, r)
	if err != nil {
		return err
	}
	s.tombstones[tombstone] = r
	s.base = nil
	return nil
}

// makeBase formats a new thin device. It counts once its record says
// initialized; a crash before that starts over.
func (s *Store) makeBase(ctx context.Context) error {
	t := s.opts.Filesystem
	if t == "" {
		t = filesystem.Ext4
	}
	base := &layer{device: s.names.device(""), record: state.Record{Size: s.opts.BaseSize}}
	err := s.create(ctx, base, func(ctx context.Context, id thinpool.DeviceID) error {
		return s.sys.Pool.CreateThin(ctx, id)
	})
	if err != nil {
		return err
	}
	uuid, err := s.formatBase(ctx, base, t)
	if err != nil {
		return errors.Join(err, s.abandonBase(ctx, base))
	}
	set := state.DeviceSet{NextDeviceID: s.ids.Next(), BaseUUID: uuid, BaseFilesystem: string(t)}
	if err := s.records.WriteDeviceSet(set); err != nil {
		return err
	}
	base.record.Initialized, base.record.UUID = true, uuid
	if err := s.records.Put(state.BaseName, base.record); err != nil {
		return err
	}
	s.base, s.fs = base, t
	s.log.WithField("filesystem", t).Infof("made the base device, %s", units.BytesSize(float64(base.record.Size)))
	return nil
}

func (s *Store) formatBase(ctx context.Context, base *layer, t filesystem.Type) (uuid string, err error) {
	device, err := s.sys.Devices.Activate(ctx, base.thin(s.names), s.opts.UdevSync)
	if err != nil {
		return "", err
	}
	uid, gid := s.opts.IDs.RootPair()
	err = s.sys.Formatter.Format(ctx, device.Path, t, s.opts.MkfsArgs)
	if err == nil {
		err = s.sys.Formatter.PrepareBase(ctx, device.Path, t, uid, gid)
	}
	if err == nil {
		uuid, err = s.sys.Formatter.UUID(ctx, device.Path)
	}
	return uuid, errors.Join(err, s.deactivate(context.WithoutCancel(ctx), base.device))
}

// abandonBase leaves nothing of a base device that could not be formatted.
func (s *Store) abandonBase(ctx context.Context, base *layer) error {
	ctx = context.WithoutCancel(ctx)
	s.base = base
	if err := s.discardBase(ctx); err != nil {
		return err
	}
	for name, r := range s.pending() {
		if err := s.reclaim(ctx, name, r); err != nil {
			return err
		}
	}
	return nil
}

// checkBase proves that the base device is the one the records speak of.
func (s *Store) checkBase(ctx context.Context) error {
	device, err := s.sys.Devices.Activate(ctx, s.base.thin(s.names), false)
	if err != nil {
		return adviseUnreadable(err)
	}
	err = adviseUnreadable(s.checkBaseOn(ctx, device))
	return errors.Join(err, s.deactivate(context.WithoutCancel(ctx), s.base.device))
}

// adviseUnreadable says what may be behind an I/O error of a thin device.
func adviseUnreadable(err error) error {
	if errors.Is(err, unix.EIO) {
		return fmt.Errorf("%w; the disk below the pool fails, or the pool's metadata is damaged: look at the kernel's log, then stop Docker and dmthind and run dmthin check", err)
	}
	return err
}

func (s *Store) checkBaseOn(ctx context.Context, device thinpool.Device) error {
	t, err := s.sys.Formatter.Probe(device.Path)
	if err != nil {
		return err
	}
	uuid, err := s.sys.Formatter.UUID(ctx, device.Path)
	if err != nil {
		return err
	}
	set, err := s.deviceSet()
	if err != nil {
		return err
	}
	recorded := cmp.Or(set.BaseUUID, s.base.record.UUID) // the set may have been damaged
	if recorded != "" && recorded != uuid {
		return fmt.Errorf("%w: its filesystem's UUID is %s, the records say %s; this is another pool, or the device was formatted anew: bring back the right one",
			ErrDiverged, uuid, recorded)
	}
	s.fs = t
	if s.opts.Filesystem != "" && s.opts.Filesystem != t {
		s.log.Warnf("dm.fs=%s is ignored: this pool's layers are %s, which can't be changed", s.opts.Filesystem, t)
	}
	if set.BaseUUID == uuid && set.BaseFilesystem == string(t) {
		return nil
	}
	set.BaseUUID, set.BaseFilesystem = uuid, string(t)
	return s.records.WriteDeviceSet(set)
}

// growBase follows a larger dm.basesize, so that new layers are larger too. The
// record is written first and marked: a crash leaves a device larger than its
// filesystem, which the next start finishes. The other way round the device
// would be too small for its filesystem.
func (s *Store) growBase(ctx context.Context) error {
	r := &s.base.record
	switch {
	case r.Stage == state.StagePreparing: // a growth was cut short
	case !s.opts.BaseSizeGiven || s.opts.BaseSize == r.Size:
		return nil
	case s.opts.BaseSize < r.Size:
		return fmt.Errorf("base device size cannot be smaller than %s, which it has; remove dm.basesize or raise it", units.HumanSize(float64(r.Size)))
	default:
		if later, err := s.growsLater(ctx); later || err != nil {
			return err
		}
		r.Size, r.Stage = s.opts.BaseSize, state.StagePreparing
		if err := s.records.Put(state.BaseName, *r); err != nil {
			return err
		}
	}
	if err := s.grow(ctx, s.base, r.Size); err != nil {
		return fmt.Errorf("grow to %s: %w", units.BytesSize(float64(r.Size)), err)
	}
	r.Stage = state.StageReady
	return s.records.Put(state.BaseName, *r)
}

// growsLater tells of a pool in which nothing can be written now.
func (s *Store) growsLater(ctx context.Context) (bool, error) {
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return false, err
	}
	if err := commits(status); err != nil {
		s.log.WithError(err).Warn("the base device is left at its size until the next start")
		return true, nil
	}
	return false, nil
}
