package main

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// devices are the pool's, with its metadata device to look at.
type devices struct {
	*thinpool.Pool
	metadata string
}

// Discard leaves out what is not mapped anyway, nearly all of a layer's device.
func (d devices) Discard(ctx context.Context, t thinpool.Thin, node thinpool.Device) error {
	extents, err := d.mapped(ctx, t, node)
	if err != nil { // the pool was changed meanwhile, most likely
		extents = []thinpool.Extent{{Length: t.Size}}
	}
	return d.Pool.Discard(ctx, node, extents)
}

// mapped returns where a device has blocks, from the metadata as they were last
// committed: the flush sees to it that all of its own are in there.
func (d devices) mapped(ctx context.Context, t thinpool.Thin, node thinpool.Device) ([]thinpool.Extent, error) {
	if err := d.Flush(node); err != nil {
		return nil, err
	}
	return betweenCommits(func() ([]thinpool.Extent, error) { return d.readMapped(ctx, t) })
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

func (d devices) readMapped(ctx context.Context, t thinpool.Thin) (extents []thinpool.Extent, err error) {
	metadata, err := thinmeta.Open(d.metadata)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	block := metadata.Superblock().BlockSize
	err = metadata.Mappings(ctx, uint32(t.ID), func(m thinmeta.Mapping) error {
		if at := int64(m.Virtual) * block; at < t.Size {
			extents = addExtent(extents, thinpool.Extent{Start: at, Length: min(block, t.Size-at)})
		}
		return nil
	})
	return extents, err
}

// addExtent adds one behind the others. Small gaps are closed: a discard of what
// is not mapped costs less than one more call.
func addExtent(extents []thinpool.Extent, e thinpool.Extent) []thinpool.Extent {
	const small = 64 << 20
	if n := len(extents); n > 0 {
		if last := &extents[n-1]; e.Start-(last.Start+last.Length) <= small {
			last.Length = e.Start + e.Length - last.Start
			return extents
		}
	}
	return append(extents, e)
}
