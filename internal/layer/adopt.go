package layer

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Adopt takes over what earlier runs, or an earlier dockerd, left active and
// mounted, and sets each layer's count of Gets anew: 1 where it is mounted for
// writing, else 0. After a crash of the plugin dockerd sends a Put for such a
// container; after its own restart with live-restore a Get and a Put more.
// Mounts of no layer, for reading only, or idle are a dead process's: they go.
func (s *Store) Adopt(ctx context.Context) error {
	mounts, err := s.sys.Mounter.Mounts(ctx, s.opts.MountRoot)
	if err != nil {
		return fmt.Errorf("look for mounted layers: %w", err)
	}
	byDir := map[string]filesystem.MountPoint{}
	for _, m := range mounts {
		byDir[m.Dir] = m
	}
	for _, l := range s.mountedOr(byDir) {
		dir := s.mountPoint(l)
		m, mounted := byDir[dir]
		delete(byDir, dir)
		if err := s.adopt(ctx, l, m, mounted); err != nil {
			s.log.WithError(err).WithField("layer", l.id).Warn("a layer that an earlier process was reading stays mounted")
		}
	}
	for dir := range byDir {
		if _, err := s.sys.Mounter.Unmount(ctx, dir); err != nil {
			s.log.WithError(err).Warn("a mount of no layer stays")
		}
	}
	return s.deactivateUnused(ctx)
}

// mountedOr returns the layers that are mounted as far as this process knows, and
// those whose folders are among mounts.
func (s *Store) mountedOr(mounts map[string]filesystem.MountPoint) []*layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*layer
	for l := range s.mounted {
		if s.layers[l.id] == l {
			found = append(found, l)
		}
	}
	for dir := range mounts {
		l, ok := s.layers[filepath.Base(dir)]
		if _, known := s.mounted[l]; ok && !known && dir == s.mountPoint(l) {
			found = append(found, l)
		}
	}
	return found
}

func (s *Store) adopt(ctx context.Context, l *layer, m filesystem.MountPoint, mounted bool) error {
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	if s.reclaimer != nil && stateOf(m, mounted) != l.mounted { // in a living process: somebody got or put it since
		if m, mounted, err = s.mountOf(ctx, l); err != nil {
			return err
		}
	}
	switch {
	case l.removed:
		return nil
	case l.pins > 0: // this process is streaming from it
		l.refs = min(l.refs, 1)
		return nil
	case l.idle && mounted == l.isMounted():
		return nil
	case mounted && !m.ReadOnly && !s.marked(l.name()):
		s.setMounted(l, mountedWrite)
		l.refs = 1
		return nil
	case mounted:
		return s.release(ctx, l)
	}
	s.setMounted(l, unmounted)
	l.refs = 0
	return s.wakeUp(l)
}

func stateOf(m filesystem.MountPoint, mounted bool) mountState {
	switch {
	case !mounted:
		return unmounted
	case m.ReadOnly:
		return mountedRead
	default:
		return mountedWrite
	}
}

// mountOf looks for one layer's mount.
func (s *Store) mountOf(ctx context.Context, l *layer) (m filesystem.MountPoint, mounted bool, err error) {
	mounts, err := s.sys.Mounter.Mounts(ctx, s.opts.MountRoot)
	if err != nil {
		return m, false, fmt.Errorf("look for the mount of %s: %w", l, err)
	}
	for _, found := range mounts { // the last one is on top
		if found.Dir == s.mountPoint(l) {
			m, mounted = found, true
		}
	}
	return m, mounted, nil
}

// deactivateUnused removes devices that no mounted layer needs: those of a
// process that died between activating and mounting, and those of layers that
// Docker unmounted itself. Ones still open elsewhere go with their last user.
func (s *Store) deactivateUnused(ctx context.Context) error {
	active, err := s.sys.Inventory.Active(ctx)
	if err != nil {
		return fmt.Errorf("look for active devices: %w", err)
	}
	owners := map[string]*layer{}
	for _, l := range s.all() {
		owners[l.device] = l
	}
	reclaimers := s.reclaimers(active)
	for _, device := range active {
		going := device.DeferredRemove || reclaimers[device.Name]
		if err := s.deactivateIfUnused(ctx, device, owners[device.Name], going); err != nil {
			return err
		}
	}
	return nil
}

// reclaimers returns the names of removed layers' devices, and notes which of
// them have their layer's name still. The kernel hides a device first and closes
// it then: to two who remove it, it is gone for one while the other's call keeps
// the pool from deleting it.
func (s *Store) reclaimers(active []thinpool.Info) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, tombstones := map[string]bool{}, map[thinpool.DeviceID]string{}
	for tombstone, r := range s.tombstones {
		names[s.names.deleted(r.DeviceID)] = true // while it is being made it has no table, so no ID
		tombstones[thinpool.DeviceID(r.DeviceID)] = tombstone
	}
	for _, device := range active {
		tombstone, removed := tombstones[device.ID]
		if !removed {
			continue
		}
		id := state.BuriedName(tombstone, s.tombstones[tombstone])
		if device.Name == s.names.device(id) {
			names[device.Name] = true
			s.named[id] = tombstone
		}
	}
	return names
}

// deactivateIfUnused looks at a device under the lock of its layer: who has that
// may have it suspended, or be about to mount it.
func (s *Store) deactivateIfUnused(ctx context.Context, device thinpool.Info, owner *layer, going bool) error {
	if owner != nil {
		unlock, err := s.locks.lock(ctx, owner.id)
		if err != nil {
			return err
		}
		defer unlock()
	}
	log := s.log.WithField("device", device.Name)
	if device.Suspended {
		// A crash between suspend and resume around a snapshot: whoever
		// writes to the device hangs until it is resumed.
		if err := s.sys.Freezer.Resume(ctx, device.Name); err != nil {
			log.WithError(err).Error("a suspended device can't be resumed")
		}
	}
	if going || owner != nil && (owner.mounted != unmounted || owner.pins > 0) {
		return nil
	}
	if err := s.deactivate(ctx, device.Name); err != nil {
		log.WithError(err).Warn("a device that no layer needs stays active")
	}
	return nil
}

// dropUnprepared removes layers whose making was cut short after their
// snapshot: nobody was told that they exist.
func (s *Store) dropUnprepared(ctx context.Context) {
	for _, l := range s.all() {
		if l.record.Stage != state.StagePreparing {
			continue
		}
		if err := s.remove(ctx, l); err != nil {
			s.log.WithError(err).WithField("layer", l.id).Warn("a layer that was never finished stays behind")
		}
	}
}
