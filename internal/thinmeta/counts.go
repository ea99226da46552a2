package thinmeta

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// The space maps count the references to each block, up to two, in bitmaps of
// two bits a block. The bitmaps of the data's map are found by a tree, those of
// the metadata's by one block.
const (
	bitmapSalt = 240779
	indexSalt  = 160478

	bitmapHeader = 16
	bitmapBlocks = (blockSize - bitmapHeader) * 4

	indexHeader    = 16
	indexEntrySize = 16
	indexEntries   = 255
)

// maxBitmaps bounds how many of a map are kept in memory, 4 KiB each.
const maxBitmaps = 256

// counts is a space map.
type counts struct {
	reader  *Reader
	locate  func(ctx context.Context, bitmap uint64) (block uint64, err error)
	bitmaps map[uint64][]byte
}

// one tells whether there is exactly one reference to a block.
func (c *counts) one(ctx context.Context, block uint64) (bool, error) {
	bitmap, err := c.bitmap(ctx, block/bitmapBlocks)
	if err != nil {
		return false, err
	}
	n := block % bitmapBlocks
	return bitmap[bitmapHeader+n/4]>>(n%4*2)&3 == 0b10, nil // the high bit comes first
}

func (c *counts) bitmap(ctx context.Context, n uint64) ([]byte, error) {
	if b, ok := c.bitmaps[n]; ok {
		return b, nil
	}
	at, err := c.locate(ctx, n)
	if err != nil {
		return nil, err
	}
	block, err := c.reader.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := verify(block, bitmapSalt, at); err != nil {
		return nil, fmt.Errorf("bitmap: %w", err)
	}
	if len(c.bitmaps) == maxBitmaps {
		clear(c.bitmaps)
	}
	c.bitmaps[n] = bytes.Clone(block)
	return c.bitmaps[n], nil
}

func (r *Reader) dataCounts(ctx context.Context) (*counts, error) {
	index, err := r.openTree(ctx, r.superblock.dataBitmaps, maxVirtual, indexEntrySize)
	if err != nil {
		return nil, err
	}
	locate := func(ctx context.Context, bitmap uint64) (uint64, error) {
		entry, err := index.lookup(ctx, bitmap)
		if err == nil && entry == nil {
			err = fmt.Errorf("%w: no bitmap %d of the data blocks", ErrCorrupt, bitmap)
		}
		if err != nil {
			return 0, err
		}
		return binary.LittleEndian.Uint64(entry), nil
	}
	return &counts{r, locate, map[uint64][]byte{}}, nil
}

func (r *Reader) metadataCounts(ctx context.Context) (*counts, error) {
	at := r.superblock.metadataBitmaps
	block, err := r.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := verify(block, indexSalt, at); err != nil {
		return nil, fmt.Errorf("index of bitmaps: %w", err)
	}
	index := bytes.Clone(block)
	locate := func(_ context.Context, bitmap uint64) (uint64, error) {
		if bitmap >= indexEntries {
			return 0, fmt.Errorf("%w: no bitmap %d of the metadata blocks", ErrCorrupt, bitmap)
		}
		return binary.LittleEndian.Uint64(index[indexHeader+indexEntrySize*bitmap:]), nil
	}
	return &counts{r, locate, map[uint64][]byte{}}, nil
}

// errHeld: a metadata snapshot has no space maps, and refers to what devices
// refer to.
var errHeld = errors.New("what is shared can't be told while a metadata snapshot is reserved")

// Sharing calls visit for the mapped blocks of device id, in ascending order, and
// says of each whether another device refers to its data too. Where a whole part
// of the device is shared, only the first block of it is certain to be named. As
// of Mappings, what visit was given counts only once Sharing has returned nil.
func (r *Reader) Sharing(ctx context.Context, id uint32, visit func(virtual uint64, shared bool) error) error {
	return r.finish(ctx, r.sharing(ctx, id, visit))
}

func (r *Reader) sharing(ctx context.Context, id uint32, visit func(virtual uint64, shared bool) error) error {
	if r.at != 0 || r.superblock.HeldRoot != 0 {
		return errHeld
	}
	t, err := r.mappingTree(ctx, id)
	if err != nil {
		return err
	}
	nodes, err := r.metadataCounts(ctx)
	if err != nil {
		return err
	}
	data, err := r.dataCounts(ctx)
	if err != nil {
		return err
	}
	for c := t.cursor(); !c.done(); {
		next := c.next()
		at, count := next.block, nodes
		if !next.isSubtree() {
			at, count = number(next.value)>>timeBits, data
		}
		alone, err := count.one(ctx, at)
		if err == nil && next.isSubtree() && alone {
			err = c.expand(ctx)
		} else if err == nil {
			c.drop()
			err = visit(next.low, !alone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
