package layer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Inspection is pool and records as of one moment between two changes.
type Inspection struct {
	Status    thinpool.Status
	Records   state.Records
	Intent    state.Intent
	HasIntent bool
	IntentErr error  // the intent can't be read
	Metadata  string // the pool's metadata snapshot is read here
}

// Inspect takes an inspection and calls look with it. Changes go on meanwhile.
// The pool can hold one metadata snapshot, so one look waits for another; it
// does so before it takes the change lock, which must not be held for long. Work on
// removed layers that is only put off is done first, for up to ten seconds.
func (s *Store) Inspect(ctx context.Context, look func(Inspection) error) (err error) {
	s.awaitBlocks(ctx)
	done, err := s.sys.Metadata.Turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	in, release, err := s.inspect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	return look(in)
}

func (s *Store) inspect(ctx context.Context) (in Inspection, release func(context.Context) error, err error) {
	err = s.changes.still(ctx, func(ctx context.Context) error {
		var err error
		if in, err = s.readRecords(ctx); err != nil {
			return err
		}
		in.Metadata, release, err = s.sys.Metadata.Hold(ctx)
		return err
	})
	return in, release, err
}

func (s *Store) readRecords(ctx context.Context) (in Inspection, err error) {
	if in.Status, err = s.sys.Pool.Status(ctx); err != nil {
		return in, err
	}
	if in.Records, err = s.records.Scan(); err != nil {
		return in, err
	}
	var damage *state.DamagedError
	in.Intent, in.HasIntent, in.IntentErr = s.records.Intent()
	if in.IntentErr != nil && !errors.As(in.IntentErr, &damage) {
		return in, in.IntentErr
	}
	return in, nil
}

// Copy is the content of all record files, as of one transaction.
type Copy struct {
	Files         map[string][]byte // by path in the state directory
	PoolID        string
	TransactionID uint64
	BaseUUID      string
}

// Copy reads all records while no change of the pool is under way.
func (s *Store) Copy(ctx context.Context) (c Copy, err error) {
	identity, err := s.records.Identity()
	if err != nil {
		return c, err
	}
	c.PoolID = identity.PoolID
	err = s.changes.still(ctx, func(ctx context.Context) error {
		set, err := s.deviceSet()
		if err != nil {
			return err
		}
		c.BaseUUID = set.BaseUUID
		status, err := s.sys.Pool.Status(ctx)
		if err != nil {
			return err
		}
		c.TransactionID = status.TransactionID
		c.Files, err = s.records.Copy()
		return err
	})
	return c, err
}

// CheckFilesystem looks for damage in one layer's filesystem and returns it,
// one line each. It works on a snapshot that goes away afterwards, at a crash
// with the next start: the layer may be in use.
func (s *Store) CheckFilesystem(ctx context.Context, id string) (damage []string, err error) {
	copied, err := s.throwAway(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("check the filesystem of layer %s: %w", id, err)
	}
	defer func() { err = errors.Join(err, s.takeAway(ctx, copied)) }()
	device, damage, err := s.openForCheck(ctx, copied)
	if err != nil || damage != nil {
		return damage, err
	}
	return s.sys.Checker.CheckFilesystem(ctx, device.Path, s.fs)
}

// openForCheck replays the journal, which a check for reading only can't: it
// would take for damage what is still to be replayed. The device is left active
// and pinned; a check takes long, and an Init would wait for the layer's lock.
func (s *Store) openForCheck(ctx context.Context, l *layer) (device thinpool.Device, damage []string, err error) {
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return device, nil, err
	}
	defer unlock()
	if err := s.mount(ctx, l, mountedWrite, ""); err != nil {
		return device, []string{fmt.Sprintf("it can't be mounted: %v", err)}, nil
	}
	if err := s.unmount(ctx, l); err != nil {
		return device, nil, err
	}
	device, err = s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err == nil {
		l.pins++
	}
	return device, nil, err
}

// throwAway makes a snapshot that stays in stage preparing, which no start
// keeps and no other call takes for a layer.
func (s *Store) throwAway(ctx context.Context, id string) (*layer, error) {
	name := "check-" + id
	if err := state.CheckName(name); err != nil {
		return nil, err
	}
	unlock, err := s.locks.lock(ctx, name, recordName(id))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.mustBeFree(name); err != nil {
		return nil, err
	}
	origin, err := s.usable(id)
	if err != nil {
		return nil, err
	}
	if err := s.enoughSpace(ctx); err != nil {
		return nil, err
	}
	record := origin.record
	record.Parent, record.Kept, record.Stage = id, false, state.StagePreparing
	l := &layer{id: name, device: s.names.device(name), record: record}
	return l, s.takeSnapshot(ctx, l, origin)
}

// IDs returns the IDs of all layers, sorted.
func (s *Store) IDs() []string {
	var ids []string
	for _, l := range s.all() {
		ids = append(ids, l.id)
	}
	slices.Sort(ids)
	return ids
}
