package layer

import (
	"context"

	"github.com/dmthin/dmthin/internal/diff"
)

// sized is how much the changed files of a layer hold.
type sized struct {
	at    moment
	bytes int64
}

// moment tells one content of a layer and its parent from the next: by how often
// somebody was let write to them. Of layers that can be written to it is zero.
type moment struct {
	layer, parent        *layer
	writes, parentWrites uint64
}

// DiffSize returns how many bytes the changed files of a layer hold. `docker ps -s`
// and `docker system df` ask for each container, over and over: it looks again
// only where one of the layers can have changed since.
func (s *Store) DiffSize(ctx context.Context, id, parent string) (int64, error) {
	if parent == "" {
		return s.diffSize(ctx, id, parent)
	}
	size, known, err := s.knownSize(ctx, id, parent)
	if err != nil || known {
		return size.bytes, err
	}
	if size.bytes, err = s.diffSize(ctx, id, parent); err != nil {
		return 0, err
	}
	return size.bytes, s.remember(ctx, size)
}

func (s *Store) diffSize(ctx context.Context, id, parent string) (size int64, err error) {
	err = s.withChanges(ctx, id, parent, func(dir string, found []diff.Change) error {
		size, err = s.sys.Archiver.Size(ctx, dir, found)
		return err
	})
	return size, err
}

// knownSize returns what was found at this moment, or the moment to find it at.
func (s *Store) knownSize(ctx context.Context, id, parent string) (size sized, known bool, err error) {
	unlock, err := s.locks.lock(ctx, id, parent)
	if err != nil {
		return size, false, err
	}
	defer unlock()
	l, err := s.usable(id)
	if err != nil {
		return size, false, err
	}
	origin, err := s.usable(parent)
	if err != nil {
		return size, false, err
	}
	if !s.quiet(ctx, l) || !s.quiet(ctx, origin) {
		return size, false, nil
	}
	now := moment{l, origin, l.writes, origin.writes}
	if l.size.at == now {
		return l.size, true, nil
	}
	return sized{at: now}, false, nil
}

// quiet reports whether nobody can write to a layer. A filesystem that is mounted
// for reading is so for all who have it.
func (s *Store) quiet(ctx context.Context, l *layer) bool {
	if l.mounted == mountedRead {
		return true
	}
	info, err := s.sys.Freezer.Lookup(ctx, l.device)
	return err == nil && info.OpenCount == 0
}

// remember notes a size, unless it was found while the layers could be written to.
func (s *Store) remember(ctx context.Context, size sized) error {
	l := size.at.layer
	if l == nil {
		return nil
	}
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	l.size = size
	return nil
}
