package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/internal/thintools"
)

// twoDevices is a backend that gives us a data and a metadata device to make a
// pool of.
type twoDevices interface {
	DataDevice() string
	MetadataDevice() string
	// The files behind them, or "".
	DataFile() string
	MetadataFile() string

	GrowData(size int64) error
	GrowMetadata(size int64) error
	Close() error
}

// ownStorage is a pool of ours on two devices.
type ownStorage struct {
	twoDevices

	i    *instance
	kind admin.Backend
	grow growth
	pool *thinpool.Pool
}

// openPool makes a pool of the devices, or takes up the one that is on them.
func (s *ownStorage) openPool(ctx context.Context, fresh bool) (*thinpool.Pool, error) {
	blockSize, err := s.blockSize(fresh)
	if err != nil {
		return nil, err
	}
	s.pool, err = thinpool.Open(ctx, thinpool.Spec{
		Name:           layer.PoolName(s.i.identity),
		UUID:           layer.PoolUUID(s.i.identity),
		DataDevice:     s.DataDevice(),
		MetadataDevice: s.MetadataDevice(),
		BlockSize:      blockSize,
		LowWaterBlocks: lowWaterBlocks,
		ErrorIfNoSpace: s.i.options.ErrorIfNoSpace, // nobody extends it by itself
		UdevNotes:      s.i.udevNotes(),
		Check:          s.mendAfterCrash(),
	}, s.i.log)
	return s.pool, err
}

// mendAfterCrash returns what is to be done before the pool is made active:
// nothing after an orderly end.
//
// While dm-thin copies a shared block to a new one, the new one is counted and
// not mapped yet. A commit that comes between is what a power cut leaves, and
// the block is lost to the pool for good. LVM has thin_check look for that
// whenever it activates a pool.
func (s *ownStorage) mendAfterCrash() func(context.Context) error {
	closed, err := s.i.records.TakeClosed()
	if err != nil {
		s.i.log.WithError(err).Warn("the pool's metadata is checked once more than need be")
	}
	if closed && err == nil {
		return nil
	}
	return func(ctx context.Context) error {
		device := s.MetadataDevice()
		s.i.log.Infof("checking the pool's metadata on %s, since the pool was not closed in order", device)
		damage, err := thintools.MendLeaks(ctx, device)
		switch {
		case err != nil:
			s.i.log.WithError(err).Warn("the pool's metadata was not checked; blocks that a power cut left counted stay lost until it is")
		case len(damage) > 0:
			// Layers that it does not concern work; what does concern is refused by the kernel.
			s.i.log.Errorf("the pool's metadata on %s is damaged: %s; stop Docker and the daemon, and run dmthin repair", device, strings.Join(damage, "; "))
		}
		return ctx.Err()
	}
}

// lowWaterBlocks is when the kernel announces that data space runs out: 2 GiB
// at 64 KiB blocks, as Docker's driver had it.
const lowWaterBlocks = 32768

// blockSize is what the pool is to be opened with. Without dm.blocksize a pool
// keeps the block size it was made with.
func (s *ownStorage) blockSize(fresh bool) (int64, error) {
	if fresh || s.i.options.BlockSizeSet {
		return s.i.options.BlockSize, nil
	}
	existing, err := poolBlockSize(s.MetadataDevice())
	if err != nil {
		return 0, fmt.Errorf("find the pool's block size: %w", err)
	}
	return existing, nil
}

func (s *ownStorage) metadataDevice() string { return s.MetadataDevice() }

func (s *ownStorage) place() place {
	return place{
		kind:       s.kind,
		dataDevice: s.DataDevice(), metadataDevice: s.MetadataDevice(),
		dataFile: s.DataFile(), metadataFile: s.MetadataFile(),
	}
}

func (s *ownStorage) growth() growth { return s.grow }

// resize makes files larger and lets the pool see it. A pool that is full goes
// on writing at once.
func (s *ownStorage) resize(ctx context.Context, to admin.ResizeRequest) error {
	for _, part := range []struct {
		what, file string
		size       int64
		grow       func(int64) error
	}{
		{"data", s.DataFile(), to.Data, s.GrowData},
		{"metadata", s.MetadataFile(), to.Metadata, s.GrowMetadata},
	} {
		if part.size == 0 {
			continue
		}
		if part.file == "" {
			return fmt.Errorf("%w: the pool's %s lies on a block device; grow that, and the pool takes it up by itself", admin.ErrRefused, part.what)
		}
		if err := part.grow(part.size); err != nil {
			return err
		}
	}
	_, err := s.pool.Grow(ctx)
	return err
}
