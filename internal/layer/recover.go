package layer

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Recovery is what Open found to do.
type Recovery string

// The outcomes of a recovery.
const (
	RecoveryClean  Recovery = "clean"  // no change had been under way
	RecoveryUndone Recovery = "undone" // a layer that was being made was taken back
	RecoveryRedone Recovery = "redone" // a deletion was finished
)

// Recovery returns how Open ended.
func (s *Store) Recovery() Recovery { return s.recovery }

// inventory is what the pool holds: every device ID with the transaction ID
// that was current when the device was made.
type inventory map[thinpool.DeviceID]uint64

// recover loads the records, finishes or undoes the change that a crash cut
// short, and compares records with what the pool holds. It refuses a pool that
// can't be the one the records describe.
func (s *Store) recover(ctx context.Context) error {
	if _, err := s.servable(ctx); err != nil {
		return err
	}
	existing, err := s.sys.Inventory.Existing(ctx)
	if err != nil {
		return fmt.Errorf("list the devices in the pool: %w", err)
	}
	// The kernel finds out at its first commit that there is no room for metadata.
	status, err := s.servable(ctx)
	if err != nil {
		return err
	}
	found, err := s.records.Load()
	if err != nil {
		return err
	}
	if err := s.settle(ctx, status, found, existing); err != nil {
		return err
	}
	if err := checkBelonging(found, existing); err != nil {
		return err
	}
	return s.fill(found, existing)
}

// servable refuses a pool whose layers can't be used, not even to be read. One
// without room for metadata gets some by way of the daemon.
func (s *Store) servable(ctx context.Context) (thinpool.Status, error) {
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return status, err
	}
	if err := commits(status); !errors.Is(err, thinpool.ErrOutOfMetadataSpace) {
		return status, err
	}
	return status, nil
}

// settle brings pool and records to the same transaction.
func (s *Store) settle(ctx context.Context, status thinpool.Status, found state.Records, existing inventory) error {
	current := status.TransactionID
	intent, err := s.lastIntent(current, found)
	if err != nil {
		return err
	}
	switch intent.OpenTransactionID {
	case current:
		s.changes.current = current
		s.recovery = RecoveryClean
		return nil
	case current + 1:
		s.changes.current = current + 1
		s.recovery = RecoveryUndone
		if intent.Op == state.OpDelete {
			s.recovery = RecoveryRedone
		}
		if err := commits(status); err != nil {
			s.putOff(intent, found, existing)
			return nil
		}
		return s.finish(ctx, intent, found, existing)
	}
	return fmt.Errorf("%w: the pool is at transaction %d, the records at %d; one of them was restored from a backup or belongs elsewhere: bring back the matching one",
		ErrDiverged, current, intent.OpenTransactionID)
}

// lastIntent returns the intent on disk. One that is damaged is made up from
// the records: only a layer that was being made has one from after the pool's
// transaction, and a deletion is repeated from its tombstone anyway.
func (s *Store) lastIntent(current uint64, found state.Records) (state.Intent, error) {
	intent, ok, err := s.records.Intent()
	var damage *state.DamagedError
	switch {
	case errors.As(err, &damage):
		s.log.WithError(err).Error("worked out the last change of the pool from the other records")
	case err != nil:
		return intent, err
	case ok:
		return intent, nil
	case current != 0:
		return intent, fmt.Errorf("%w: the pool is at transaction %d but there are no records of any; it belongs to other records, or these were lost: restore them, or start with an empty pool",
			ErrDiverged, current)
	}
	for name, r := range found.Layers {
		if r.TransactionID == current+1 {
			return state.Intent{OpenTransactionID: current + 1, Name: name, DeviceID: r.DeviceID, Op: state.OpCreate}, nil
		}
	}
	return state.Intent{OpenTransactionID: current}, nil
}

// finish ends an open change: a device that was being made is deleted again, a
// deletion is done again. Both come to deleting device and record, then closing
// the transaction, and may be cut short and repeated any number of times.
func (s *Store) finish(ctx context.Context, intent state.Intent, found state.Records, existing inventory) error {
	current := intent.OpenTransactionID - 1
	gone, err := s.deleteAgain(ctx, intent, existing)
	if err == nil && gone {
		delete(existing, thinpool.DeviceID(intent.DeviceID))
		delete(found.Layers, intent.Name)
		delete(found.Tombstones, intent.Name)
		delete(found.Damaged, intent.Name) // a power cut may have left its name only
		err = s.records.Delete(intent.Name)
	}
	if err == nil {
		err = s.sys.Pool.SetTransactionID(ctx, current, current+1)
	}
	if err != nil {
		return fmt.Errorf("finish the change of the pool that a crash cut short: %w", err)
	}
	s.log.WithFields(logrus.Fields{"record": intent.Name, "device_id": intent.DeviceID, "op": intent.Op}).
		Warn("a crash cut a change of the pool short: a layer being made was taken back, or a deletion finished")
	return s.changes.verify(ctx, current+1)
}

// putOff leaves an open change to the next one, which the pool may be able to
// make. What was being made is hidden until then; what was being removed has its
// tombstone.
func (s *Store) putOff(intent state.Intent, found state.Records, existing inventory) {
	id, current := thinpool.DeviceID(intent.DeviceID), intent.OpenTransactionID-1
	then := maps.Clone(existing)
	if _, exists := existing[id]; !exists {
		then[id] = current // the pool may know of it, and not have committed it
	}
	if intent.Op != state.OpDelete && then[id] == current {
		delete(existing, id)
		delete(found.Layers, intent.Name)
		delete(found.Damaged, intent.Name)
	}
	s.changes.unfinished = func(ctx context.Context) error {
		status, err := s.sys.Pool.Status(ctx)
		if err == nil {
			err = commits(status)
		}
		if err != nil {
			return err
		}
		return s.finish(ctx, intent, state.Records{}, then)
	}
}

// deleteAgain deletes the device of an open intent and reports whether it is
// gone.
func (s *Store) deleteAgain(ctx context.Context, intent state.Intent, existing inventory) (gone bool, err error) {
	id := thinpool.DeviceID(intent.DeviceID)
	made, exists := existing[id]
	if !exists {
		return true, nil
	}
	// A create that failed because its ID was taken by a device nobody has a
	// record of must not delete that device: only one made by this very
	// transaction is the intent's own.
	if intent.Op != state.OpDelete && made != intent.OpenTransactionID-1 {
		return false, nil
	}
	err = s.sys.Pool.Delete(ctx, id)
	if errors.Is(err, thinpool.ErrBusy) && intent.Op == state.OpDelete {
		return false, nil // still open somewhere: its tombstone waits on
	}
	return true, ignoreGone(err)
}

// checkBelonging refuses a pool whose devices are not those of the records.
func checkBelonging(found state.Records, existing inventory) error {
	base, ok := found.Layers[state.BaseName]
	_, damaged := found.Damaged[state.BaseName]
	switch {
	case ok && base.Initialized:
		if _, ok := existing[thinpool.DeviceID(base.DeviceID)]; !ok {
			return fmt.Errorf("%w: the base device (device ID %d) is not in the pool; this is another pool, or its metadata was lost: restore it, or remove the records to start anew",
				ErrDiverged, base.DeviceID)
		}
	case !ok && !damaged && len(existing) > 0:
		return fmt.Errorf("%w: the pool holds %d thin devices but there is no record of a base device; the pool belongs to other records, or these were lost: restore them, or start with an empty pool",
			ErrDiverged, len(existing))
	}
	return nil
}

// fill builds the maps. Devices that no record knows are reported, and never
// touched.
func (s *Store) fill(found state.Records, existing inventory) error {
	set, err := s.deviceSet()
	if err != nil {
		return err
	}
	s.ids = state.NewDeviceIDs(set.NextDeviceID)
	known := map[thinpool.DeviceID]bool{}
	for name, r := range found.Layers {
		known[thinpool.DeviceID(r.DeviceID)] = true
		s.add(name, r, existing)
	}
	for name, r := range found.Tombstones {
		known[thinpool.DeviceID(r.DeviceID)] = true
		s.tombstones[name] = r
	}
	for name, err := range found.Damaged {
		s.damaged[name] = err
		s.log.WithError(err).Error("a layer can't be used")
	}
	for id := range existing {
		if !known[id] {
			s.leaked = append(s.leaked, id)
		}
		known[id] = true
	}
	for id := range known {
		s.ids.Take(uint32(id))
	}
	if len(s.leaked) > 0 {
		s.log.WithField("device_ids", s.leaked).Warn("the pool holds devices that no readable record knows; they are left alone")
	}
	return nil
}

func (s *Store) add(name string, r state.Record, existing inventory) {
	l := &layer{id: name, device: s.names.device(name), record: r}
	if name == state.BaseName {
		s.base = &layer{device: s.names.device(""), record: r}
		return
	}
	if _, ok := existing[thinpool.DeviceID(r.DeviceID)]; !ok {
		l.lost = fmt.Errorf("layer %s: its device (ID %d) is not in the pool any more; remove the layer and pull or build it again", name, r.DeviceID)
		s.log.WithError(l.lost).Error("a layer can't be used")
	}
	s.layers[name] = l
}

// deviceSet reads the device set. All in it can be found out again, so a
// damaged one is reported and replaced.
func (s *Store) deviceSet() (state.DeviceSet, error) {
	set, _, err := s.records.DeviceSet()
	var damage *state.DamagedError
	if errors.As(err, &damage) {
		s.log.WithError(err).Error("replaced the record of the device set")
		return state.DeviceSet{}, nil
	}
	return set, err
}
