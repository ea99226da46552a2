package thinmeta

import (
	"context"
	"fmt"
)

// A mapping's value holds the time in the low bits, the data block above.
const (
	timeBits = 24
	timeMask = 1<<timeBits - 1
)

// maxVirtual is the last block of the largest device there can be: 2^64
// sectors in blocks of the least size, 128 sectors.
const maxVirtual = 1<<57 - 1

// Mapping says where the data of a thin device's block is. The unit is the
// pool's data block.
type Mapping struct {
	Virtual uint64 // in the thin device
	Data    uint64 // in the pool's data device
	Time    uint32 // the pool's Time when the block was written there
}

// Mappings calls visit for every mapped block of device id, in ascending
// order, and stops at its first error. What visit was given counts only once
// Mappings has returned nil: see ErrChanged.
func (r *Reader) Mappings(ctx context.Context, id uint32, visit func(Mapping) error) error {
	return r.finish(ctx, r.mappings(ctx, id, visit))
}

func (r *Reader) mappings(ctx context.Context, id uint32, visit func(Mapping) error) error {
	t, err := r.mappingTree(ctx, id)
	if err != nil {
		return err
	}
	return t.walk(ctx, func(block uint64, value []byte) error {
		v := number(value)
		return visit(Mapping{Virtual: block, Data: v >> timeBits, Time: uint32(v & timeMask)})
	})
}

// mappingRoot returns the block of the root of a device's own tree.
func (r *Reader) mappingRoot(ctx context.Context, id uint32) (uint64, error) {
	devices, err := r.openTree(ctx, r.superblock.mappingRoot, maxDeviceID, numberSize)
	if err != nil {
		return 0, err
	}
	root, err := devices.lookup(ctx, uint64(id))
	if err != nil {
		return 0, err
	}
	if root == nil {
		return 0, fmt.Errorf("device %d: %w", id, ErrNoDevice)
	}
	return number(root), nil
}

func (r *Reader) mappingTree(ctx context.Context, id uint32) (tree, error) {
	root, err := r.mappingRoot(ctx, id)
	if err != nil {
		return tree{}, err
	}
	return r.openTree(ctx, root, maxVirtual, numberSize)
}
