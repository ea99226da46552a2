package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/backend/directlvm"
	"github.com/dmthin/dmthin/internal/backend/looplvm"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// loopStorage is a pool of ours on two sparse files.
type loopStorage struct {
	i       *instance
	backend *looplvm.Backend
	pool    *thinpool.Pool
}

func (i *instance) openLoop(ctx context.Context, fresh bool) (storage, error) {
	// Without this the option's removal would start an empty pool beside the one
	// that holds the layers.
	if file, yes, err := directlvm.SetUpAt(i.stateDir); err != nil {
		return nil, err
	} else if yes {
		return nil, fmt.Errorf("dm.directlvm_device set up the pool of %s, and is not given now; give it again, or move %s away to begin with an empty pool on loop devices", i.stateDir, file)
	}
	backend, err := looplvm.Open(ctx, looplvm.Config{
		Dir:          i.loopDir(),
		DataSize:     i.options.LoopDataSize,
		MetadataSize: i.options.LoopMetadataSize,
		Existing:     !fresh,
		Log:          i.log,
	})
	if err != nil {
		return nil, err
	}
	return &loopStorage{i: i, backend: backend}, nil
}

func (s *loopStorage) openPool(ctx context.Context, fresh bool) (_ *thinpool.Pool, err error) {
	s.pool, err = s.i.openOwnPool(ctx, s.backend.DataDevice(), s.backend.MetadataDevice(), fresh)
	return s.pool, err
}

func (s *loopStorage) metadataDevice() string { return s.backend.MetadataDevice() }

func (s *loopStorage) place() place {
	return place{
		kind:       admin.BackendLoop,
		dataDevice: s.backend.DataDevice(), metadataDevice: s.backend.MetadataDevice(),
		dataFile: s.backend.DataFile(), metadataFile: s.backend.MetadataFile(),
	}
}

func (s *loopStorage) growth() growth {
	return growth{lowWater: lowWaterBlocks, host: s.backend, howTo: "dmthin resize SIZE makes the data file larger, if the host's disk has room"}
}

// resize makes the files larger and lets the pool see it. A pool that is full
// goes on writing at once.
func (s *loopStorage) resize(ctx context.Context, to admin.ResizeRequest) error {
	if err := s.backend.GrowData(to.Data); err != nil {
		return err
	}
	if err := s.backend.GrowMetadata(to.Metadata); err != nil {
		return err
	}
	_, err := s.pool.Grow(ctx)
	return err
}

func (s *loopStorage) Close() error { return s.backend.Close() }

// openOwnPool makes a pool of two devices, or takes up the one that is on them.
func (i *instance) openOwnPool(ctx context.Context, data, metadata string, fresh bool) (*thinpool.Pool, error) {
	blockSize, err := i.blockSize(metadata, fresh)
	if err != nil {
		return nil, err
	}
	return thinpool.Open(ctx, thinpool.Spec{
		Name:           layer.PoolName(i.identity),
		UUID:           layer.PoolUUID(i.identity),
		DataDevice:     data,
		MetadataDevice: metadata,
		BlockSize:      blockSize,
		LowWaterBlocks: lowWaterBlocks,
		ErrorIfNoSpace: i.options.ErrorIfNoSpace, // nobody extends it by itself
	}, i.log)
}

// lowWaterBlocks is when the kernel announces that data space runs out: 2 GiB
// at 64 KiB blocks, as Docker's driver had it.
const lowWaterBlocks = 32768

// blockSize is what a pool is to be opened with. Without dm.blocksize a pool
// keeps the block size it was made with.
func (i *instance) blockSize(metadataDevice string, fresh bool) (int64, error) {
	if fresh || i.options.BlockSizeSet {
		return i.options.BlockSize, nil
	}
	existing, err := poolBlockSize(metadataDevice)
	if err != nil {
		return 0, fmt.Errorf("find the pool's block size: %w", err)
	}
	return existing, nil
}
