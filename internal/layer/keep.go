package layer

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Snapshot makes a layer for an operator. Clean-ups leave it alone although
// Docker doesn't know it. parent may be empty for the base device.
func (s *Store) Snapshot(ctx context.Context, id, parent string) error {
	if err := s.Create(ctx, id, parent, 0); err != nil {
		return err
	}
	if err := s.keep(ctx, id); err != nil {
		return errors.Join(err, s.Remove(context.WithoutCancel(ctx), id))
	}
	return nil
}

func (s *Store) keep(ctx context.Context, id string) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	record := l.record
	record.Kept = true
	if err := s.records.Put(l.name(), record); err != nil {
		return err
	}
	l.record = record
	return nil
}

// Held says where a held layer's content is.
type Held struct {
	Device     string // node, /dev/dm-N
	Filesystem filesystem.Type
	Root       string // folder of the filesystem
}

// Hold keeps a layer mounted, for reading only unless write is set, until
// Release. It does not outlive the store: the next one knows of no holds.
func (s *Store) Hold(ctx context.Context, id string, write bool) (Held, error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return Held{}, err
	}
	defer unlock()
	l, err := s.usable(id)
	if err != nil {
		return Held{}, err
	}
	want := mountedRead
	if write {
		want = mountedWrite
	}
	if err := s.pinLocked(ctx, l, want); err != nil {
		return Held{}, err
	}
	info, err := s.sys.Freezer.Lookup(ctx, l.device)
	if err == nil && !info.Exists {
		err = fmt.Errorf("%s: %w", l, thinpool.ErrNotActive)
	}
	if err != nil {
		return Held{}, errors.Join(err, s.unpinLocked(ctx, l))
	}
	l.holds++
	return Held{Device: info.Device.Path, Filesystem: s.fs, Root: l.record.RootDir()}, nil
}

// Release undoes one Hold. One too many is a success.
func (s *Store) Release(ctx context.Context, id string) error {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.find(id)
	if err != nil {
		return err
	}
	if l.holds == 0 {
		return nil
	}
	l.holds--
	return s.unpinLocked(ctx, l)
}
