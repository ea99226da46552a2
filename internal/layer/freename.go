package layer

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// freeName leaves the device-mapper name of a removed layer to a new one of its
// ID. Its device keeps it until somebody wants the one or the other: a rename
// makes udev look at the device once more, for which Remove would wait.
func (s *Store) freeName(ctx context.Context, id string) error {
	if _, held := s.nameHolder(id); !held {
		return nil
	}
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	return s.clearName(ctx, id)
}

// clearName is freeName for who holds the lock of the ID.
func (s *Store) clearName(ctx context.Context, id string) error {
	r, held := s.nameHolder(id)
	if !held {
		return nil
	}
	err := s.sys.Devices.Rename(ctx, s.names.device(id), s.names.deleted(r.DeviceID))
	if err != nil && !errors.Is(err, thinpool.ErrNotActive) && !errors.Is(err, thinpool.ErrForeign) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.named, id)
	return nil
}

// nameHolder returns the removed layer whose device may still have the name.
func (s *Store) nameHolder(id string) (r state.Record, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, held = s.tombstones[s.named[id]]
	return r, held
}
