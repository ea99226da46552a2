package layer

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Trimmed is the outcome of one layer's trim.
type Trimmed struct {
	ID    string
	Bytes int64 // free in the filesystem, all of which was discarded
	Err   error
}

// Trim gives the space of files deleted inside layers back to the pool, and
// tells done about each layer. With no IDs it trims the layers that are mounted
// for writing now; a named one is mounted for it where it isn't.
func (s *Store) Trim(ctx context.Context, ids []string, done func(Trimmed)) error {
	all := len(ids) == 0
	if all {
		ids = s.IDs()
	}
	for _, id := range ids {
		bytes, trimmed, err := s.trim(ctx, id, all)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if trimmed || err != nil {
			done(Trimmed{ID: id, Bytes: bytes, Err: err})
		}
	}
	return nil
}

// trim keeps the layer mounted by a pin, not by its lock: a trim takes long,
// and the layer's container may start or stop meanwhile.
func (s *Store) trim(ctx context.Context, id string, mountedOnly bool) (bytes int64, trimmed bool, err error) {
	l, err := s.pinForTrim(ctx, id, mountedOnly)
	if l == nil || err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, s.unpin(ctx, l)) }()
	bytes, err = s.sys.Trimmer.Trim(ctx, s.mountPoint(l))
	return bytes, true, err
}

// pinForTrim returns nil for a layer to be left out.
func (s *Store) pinForTrim(ctx context.Context, id string, mountedOnly bool) (*layer, error) {
	unlock, err := s.locks.lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	l, err := s.usable(id)
	if mountedOnly && (err != nil || l.mounted != mountedWrite || l.idle) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return l, s.pinLocked(ctx, l, mountedWrite)
}

// poolTrimChunk is how much of the pool's free space TrimPool takes at a time.
const poolTrimChunk = 256 * units.MiB

// trimName is the layer ID of TrimPool's device.
const trimName = "trim-pool"

// TrimPool discards the free space of the pool on the device below it: what
// layers gave back without a discard still occupies a loop file. report is told
// how many bytes of how many are done.
//
// The kernel tells no one which blocks are free and keeps them so meanwhile.
// So the pool gives them to a device of ours, a chunk at a time, and the chunk's
// discard goes through to the data device. dm-thin looks for free blocks in a
// ring (since Linux 5.12), so that each is met once.
func (s *Store) TrimPool(ctx context.Context, report func(done, total int64)) (bytes int64, err error) {
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return 0, err
	}
	if !status.DiscardPassdown {
		return 0, errors.New("trim the pool: the device below it takes no discards, or the pool doesn't pass them on")
	}
	total := int64(status.DataTotal-status.DataUsed) * status.BlockSize
	l, err := s.makeTrimDevice(ctx)
	if err != nil {
		return 0, fmt.Errorf("trim the pool: %w", err)
	}
	defer func() { err = errors.Join(err, s.takeAway(ctx, l)) }()
	for bytes < total {
		report(bytes, total)
		n, err := s.trimChunk(ctx, l)
		if err != nil {
			return bytes, fmt.Errorf("trim the pool: %w", err)
		}
		bytes = min(bytes+n, total)
	}
	return bytes, nil
}

// makeTrimDevice makes an empty device in stage preparing, which no start keeps.
func (s *Store) makeTrimDevice(ctx context.Context) (*layer, error) {
	unlock, err := s.locks.lock(ctx, trimName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.mustBeFree(trimName); err != nil {
		return nil, fmt.Errorf("%w; is another trim under way?", err)
	}
	l := &layer{
		id: trimName, device: s.names.device(trimName),
		record: state.Record{Size: poolTrimChunk, Stage: state.StagePreparing},
	}
	return l, s.create(ctx, l, func(ctx context.Context, id thinpool.DeviceID) error {
		return s.sys.Pool.CreateThin(ctx, id)
	})
}

// trimChunk returns how many bytes it dealt with.
func (s *Store) trimChunk(ctx context.Context, l *layer) (bytes int64, err error) {
	unlock, err := s.locks.lock(ctx, l.id)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if l.removed {
		return 0, fmt.Errorf("%s: %w", l, ErrUnknown)
	}
	if bytes, err = s.spareBytes(ctx); err != nil {
		return 0, err
	}
	bytes = min(bytes, l.record.Size)
	device, err := s.sys.Devices.Activate(ctx, l.thin(s.names), false)
	if err != nil {
		return 0, err
	}
	err = s.sys.Trimmer.Allocate(ctx, device, bytes)
	discard := s.sys.Devices.Discard(context.WithoutCancel(ctx), l.thin(s.names), device)
	return bytes, errors.Join(err, discard, s.deactivate(context.WithoutCancel(ctx), l.device))
}

// spareBytes is what may be taken from the pool for a moment. Layers that are
// being written to must find space meanwhile.
func (s *Store) spareBytes(ctx context.Context) (int64, error) {
	if err := s.enoughSpace(ctx); err != nil {
		return 0, err
	}
	status, err := s.sys.Pool.Status(ctx)
	if err != nil {
		return 0, err
	}
	spare := int64(status.DataTotal-status.DataUsed) / 2 * status.BlockSize
	if spare <= 0 {
		return 0, ErrPoolLow
	}
	return spare, nil
}
