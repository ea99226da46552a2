package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/state"
)

// pin keeps a layer mounted for a stream that reads it. Layers nobody else has mounted are
// mounted for reading only, which changes no block of a clean filesystem.
func (s *Store) pin(ctx context.Context, id string) (l *layer, err error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l, err = s.usable(id)
	if err != nil {
		return nil, err
	}
	return l, s.pinLocked(ctx, l, mountedRead)
}

func (s *Store) pinLocked(ctx context.Context, l *layer, want mountState) error {
	if err := s.mount(ctx, l, want, ""); err != nil {
		return fmt.Errorf("mount %s: %w", l, err)
	}
	l.pins++
	return nil
}

// unpin undoes pin. It must succeed even when the stream's context is done.
func (s *Store) unpin(ctx context.Context, l *layer) error {
	ctx = context.WithoutCancel(ctx)
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return err
	}
	defer unlock()
	return s.unpinLocked(ctx, l)
}

func (s *Store) unpinLocked(ctx context.Context, l *layer) error {
	l.unpin()
	return s.releaseUnused(ctx, l)
}

// pair pins a layer and its parent for reading.
func (s *Store) pair(ctx context.Context, id, parent string) (child, origin *layer, done func() error, err error) {
	child, err = s.pin(ctx, id)
	if err != nil {
		return nil, nil, nil, err
	}
	origin, err = s.pin(ctx, parent)
	if err != nil {
		return nil, nil, nil, errors.Join(err, s.unpin(ctx, child))
	}
	done = func() error { return errors.Join(s.unpin(ctx, origin), s.unpin(ctx, child)) }
	return child, origin, done, nil
}

// Changes lists what differs between a layer and its parent; with parent empty,
// all of the layer.
func (s *Store) Changes(ctx context.Context, id, parent string) (changes []diff.Change, err error) {
	err = s.withChanges(ctx, id, parent, func(_ string, found []diff.Change) error {
		changes = found
		return nil
	})
	return changes, err
}

// withChanges calls use with the mounted layer's folder and its changes.
func (s *Store) withChanges(ctx context.Context, id, parent string, use func(dir string, found []diff.Change) error) (err error) {
	if parent == "" {
		return s.withAll(ctx, id, use)
	}
	child, origin, done, err := s.pair(ctx, id, parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := s.compare(ctx, child, origin)
	if err != nil {
		return fmt.Errorf("compare layer %s with %s: %w", id, parent, err)
	}
	return use(s.content(child), found)
}

func (s *Store) withAll(ctx context.Context, id string, use func(dir string, found []diff.Change) error) (err error) {
	l, err := s.pin(ctx, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.unpin(ctx, l)) }()
	found, err := s.sys.Differ.Changes(ctx, s.side(l), Side{}, nil)
	if err != nil {
		return fmt.Errorf("list layer %s: %w", id, err)
	}
	return use(s.content(l), found)
}

// Diff writes the difference between a layer and its parent as a tar; with
// parent empty, the whole layer.
func (s *Store) Diff(ctx context.Context, id, parent string, w io.Writer) error {
	if parent == "" {
		return s.diffAll(ctx, id, w)
	}
	return s.withChanges(ctx, id, parent, func(dir string, found []diff.Change) error {
		if err := s.sys.Archiver.WriteChanges(ctx, w, dir, found, s.opts.IDs); err != nil {
			return fmt.Errorf("write the difference of layer %s: %w", id, err)
		}
		return nil
	})
}

func (s *Store) diffAll(ctx context.Context, id string, w io.Writer) (err error) {
	l, err := s.pin(ctx, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.unpin(ctx, l)) }()
	if err := s.sys.Archiver.WriteAll(ctx, w, s.content(l), s.opts.IDs); err != nil {
		return fmt.Errorf("write layer %s: %w", id, err)
	}
	return nil
}

// ApplyDiff unpacks a tar into a layer and returns the unpacked size in bytes.
// It answers once everything is on disk, and any change from now on would be seen
// by a comparison with it. A layer whose unpacking fails is good for nothing but
// Remove; the mark that says so survives a crash.
func (s *Store) ApplyDiff(ctx context.Context, id string, tar io.Reader) (size int64, err error) {
	l, err := s.beginApply(ctx, id)
	if err != nil {
		return 0, err
	}
	unpacked, err := s.sys.Archiver.Apply(ctx, s.content(l), tar, s.opts.IDs)
	if err = s.endApply(ctx, l, err); err == nil && !unpacked.Fractions {
		err = waitPast(ctx, unpacked.Newest)
	}
	if err != nil {
		return 0, fmt.Errorf("unpack into layer %s: %w", id, err)
	}
	return unpacked.Size, nil
}

// waitPast waits until the second of newest is over. On a filesystem of whole seconds
// (ext4 with inodes of 128 bytes) a file that is unpacked and changes again within
// the same second, to the same size, would look unchanged to the next comparison.
// Docker's driver waited at each Diff, on every filesystem, for the next second.
func waitPast(ctx context.Context, newest time.Time) error {
	wait := time.Until(newest.Truncate(time.Second).Add(time.Second))
	if wait <= 0 || wait > time.Second {
		return nil // a time in the future is the file's own claim
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) beginApply(ctx context.Context, id string) (*layer, error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l, err := s.usable(id)
	if err != nil {
		return nil, err
	}
	if err := s.pinLocked(ctx, l, mountedWrite); err != nil {
		return nil, err
	}
	if err := s.setStage(l, state.StageApplying); err != nil {
		return nil, errors.Join(err, s.unpinLocked(ctx, l))
	}
	return l, nil
}

func (s *Store) endApply(ctx context.Context, l *layer, failure error) error {
	ctx = context.WithoutCancel(ctx)
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return errors.Join(failure, err)
	}
	defer unlock()
	if failure == nil && l.removed {
		failure = fmt.Errorf("%w: it was removed meanwhile", ErrUnknown)
	}
	if failure == nil {
		failure = s.sys.Mounter.Sync(s.mountPoint(l))
	}
	if failure == nil {
		failure = s.sys.Mounter.Alive(s.mountPoint(l))
	}
	s.noteDisk(l, failure)
	l.unpin()
	if !l.wanted() {
		failure = errors.Join(failure, s.unmountSoon(ctx, l, failure == nil))
	}
	if failure != nil {
		return failure
	}
	return s.setStage(l, state.StageReady)
}

// unmountSoon ends the mount of a layer that was filled. Where its content is on
// disk that is done in the background: what comes next is not a Get but a child of
// it, and not at once.
func (s *Store) unmountSoon(ctx context.Context, l *layer, onDisk bool) error {
	l.synced = onDisk
	if onDisk && s.keepIdle(l, 0) {
		return nil
	}
	return s.release(ctx, l)
}

func (s *Store) setStage(l *layer, stage state.Stage) error {
	r := l.record
	r.Stage = stage
	if err := s.records.SetStage(l.name(), r); err != nil {
		return err
	}
	l.record = r
	return nil
}
