package layer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// CollectOptions say what may be collected.
type CollectOptions struct {
	MinAge time.Duration   // since the layer's record was last written
	Going  map[string]bool // layers that are collected too, children before parents
	DryRun bool            // only look
}

// Collect removes a layer that nobody is thought to know, unless it is young,
// used in any way, the parent of one that stays, or an operator's: then the
// error is ErrInUse, and says why.
func (s *Store) Collect(ctx context.Context, id string, o CollectOptions) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	if err := s.collectable(l, o); err != nil {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if o.DryRun {
		return nil
	}
	return s.remove(context.WithoutCancel(ctx), l)
}

func (s *Store) collectable(l *layer, o CollectOptions) error {
	if l.record.Kept {
		return errors.New("an operator made it; remove it by name")
	}
	if l.record.Stage == state.StagePreparing {
		return errors.New("it is being made")
	}
	if err := s.idle(l); err != nil {
		return err
	}
	for _, child := range s.children(l.id) {
		if !o.Going[child] || !o.DryRun {
			return fmt.Errorf("layer %s was made from it", child)
		}
	}
	changed, err := s.records.Changed(l.name())
	if err != nil {
		return err
	}
	if age := time.Since(changed); age < o.MinAge {
		return fmt.Errorf("it is only %s old", age.Round(time.Second))
	}
	return nil
}

// idle returns nil if nobody mounts or reads a layer. Its lock is held.
func (s *Store) idle(l *layer) error {
	if l.inUse() || l.refs > 0 || l.pins > 0 {
		return errors.New("it is mounted")
	}
	return nil
}

// children returns the layers that were made from a layer. Its lock is held, so
// that no new one comes.
func (s *Store) children(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, l := range s.layers {
		if l.record.Parent == id {
			ids = append(ids, l.id)
		}
	}
	return ids
}

// RemoveUnused is Remove for operators: a mounted layer is refused with
// ErrInUse, and without force one that others were made from; an unknown one
// with ErrUnknown.
func (s *Store) RemoveUnused(ctx context.Context, id string, force bool) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	if err := s.idle(l); err != nil {
		return fmt.Errorf("layer %s: %w: %w", id, ErrInUse, err)
	}
	if children := s.children(id); len(children) > 0 && !force {
		return fmt.Errorf("layer %s: %w: %d layers were made from it, %s for one", id, ErrInUse, len(children), children[0])
	}
	return s.remove(context.WithoutCancel(ctx), l)
}

// DeleteLeaked deletes a device that is in the pool and in no record, through
// a tombstone: that way its blocks are discarded first, and a crash in between
// is finished by the next start. A device that a record names is refused with
// ErrInUse. size is how much of it may be mapped, in bytes.
func (s *Store) DeleteLeaked(ctx context.Context, id thinpool.DeviceID, size int64) error {
	r := state.Record{DeviceID: uint32(id), Size: roundUp(max(size, 1)), Deleted: true}
	tombstone := state.TombstoneName("leaked", r.DeviceID)
	if err := s.bury(ctx, tombstone, r); err != nil {
		return fmt.Errorf("delete device %d: %w", id, err)
	}
	if err := s.reclaim(ctx, tombstone, r); err != nil {
		s.reclaimer.wake()
		return fmt.Errorf("delete device %d: %w", id, err)
	}
	return nil
}

// bury gives a leaked device its tombstone. The tombstone's lock keeps the
// reclaimer from it until it is on disk.
func (s *Store) bury(ctx context.Context, tombstone string, r state.Record) error {
	unlock, err := s.locks.lock(ctx, tombstone)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.claim(tombstone, r); err != nil {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if err := s.records.Put(tombstone, r); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.tombstones, tombstone)
		return err
	}
	return nil
}

// claim makes a device that is nobody's the tombstone's.
func (s *Store) claim(tombstone string, r state.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.nobodys(r.DeviceID); err != nil {
		return err
	}
	s.ids.Take(r.DeviceID)
	s.tombstones[tombstone] = r
	left := slices.Clone(s.leaked) // Summary hands the old one out
	s.leaked = slices.DeleteFunc(left, func(l thinpool.DeviceID) bool { return uint32(l) == r.DeviceID })
	return nil
}

// nobodys returns nil for a device that no record names. A record that can't
// be read may be its own. Store.mu is held.
func (s *Store) nobodys(deviceID uint32) error {
	if len(s.damaged) > 0 {
		return fmt.Errorf("%d records are damaged, and one of them may be its own; restore or remove those first", len(s.damaged))
	}
	if s.base != nil && s.base.record.DeviceID == deviceID {
		return errors.New("it is the base device")
	}
	for id, l := range s.layers {
		if l.record.DeviceID == deviceID {
			return fmt.Errorf("it is layer %s", id)
		}
	}
	for name, r := range s.tombstones {
		if r.DeviceID == deviceID {
			return fmt.Errorf("it is being deleted already (record %s)", name)
		}
	}
	return nil
}
