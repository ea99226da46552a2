package main

import (
	"context"
	"errors"
	"time"

	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// devices are the pool's, with its metadata to look at.
type devices struct {
	*thinpool.Pool
	metadata *poolMetadata
}

// Discard leaves out what is not mapped anyway, nearly all of a layer's device, and
// what other devices refer to. While dm-thin discards a block it counts a
// reference to it of its own; in what a power cut leaves then, a block of this
// device alone is counted and mapped nowhere, which the next start mends, but the
// count of a shared one is wrong for good: thin_check calls that damage, and LVM
// no longer activates the pool.
func (d devices) Discard(ctx context.Context, t thinpool.Thin, node thinpool.Device) error {
	extents, err := d.own(ctx, t, node)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // the pool commits all the time, or a check of it takes long
		extents = []thinpool.Extent{{Length: t.Size}}
	}
	return d.Pool.Discard(ctx, node, extents)
}

// readersWait bounds the wait for who has a metadata snapshot, which hides what is
// shared. Nobody waits for a discard, unless deferred deletion is off.
const readersWait = time.Minute

// own returns where a device has blocks of its own, from the metadata as they were
// last committed: the flush sees to it that all of them are in there.
func (d devices) own(ctx context.Context, t thinpool.Thin, node thinpool.Device) ([]thinpool.Extent, error) {
	if err := d.Flush(node); err != nil { // before the turn: it waits for a disk that hangs
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, readersWait)
	defer cancel()
	done, err := d.metadata.Turn(wait)
	if err != nil {
		return nil, err
	}
	defer done()
	return betweenCommits(func() ([]thinpool.Extent, error) { return d.readOwn(ctx, t) })
}

// betweenCommits reads a pool's metadata until it commits nothing meanwhile. A
// pool at work does every second, or whenever somebody syncs; three times in a row
// that is in the way of a read only where nearly nothing else is done.
func betweenCommits[T any](read func() (T, error)) (result T, err error) {
	for range 3 {
		if result, err = read(); !errors.Is(err, thinmeta.ErrChanged) {
			break
		}
	}
	return result, err
}

func (d devices) readOwn(ctx context.Context, t thinpool.Thin) (extents []thinpool.Extent, err error) {
	metadata, err := thinmeta.Open(d.metadata.device)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	block := metadata.Superblock().BlockSize
	apart := true
	err = metadata.Sharing(ctx, uint32(t.ID), func(virtual uint64, shared bool) error {
		if at := int64(virtual) * block; !shared && at < t.Size {
			extents = addExtent(extents, thinpool.Extent{Start: at, Length: min(block, t.Size-at)}, apart)
		}
		apart = shared
		return nil
	})
	return extents, err
}

// addExtent adds one behind the others. Unless something lies between, small gaps
// are closed: a discard of what is not mapped costs less than one more call.
func addExtent(extents []thinpool.Extent, e thinpool.Extent, apart bool) []thinpool.Extent {
	const small = 64 << 20
	if n := len(extents); n > 0 && !apart {
		if last := &extents[n-1]; e.Start-(last.Start+last.Length) <= small {
			last.Length = e.Start + e.Length - last.Start
			return extents
		}
	}
	return append(extents, e)
}
