package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/backend/blockdevice"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// deviceStorage is a pool of ours on block devices that the deprecated
// dm.datadev and dm.metadatadev name; a loop file stands in for the one that is
// not given.
type deviceStorage struct {
	i       *instance
	backend *blockdevice.Backend
	pool    *thinpool.Pool
}

func (i *instance) openDevices(ctx context.Context, fresh bool) (storage, error) {
	i.log.Warn("dm.datadev and dm.metadatadev are deprecated: use dm.directlvm_device, or make a pool with dmthin pool create and give dm.thinpooldev")
	backend, err := blockdevice.Open(ctx, blockdevice.Config{
		Dir:            i.loopDir(),
		DataDevice:     i.options.DataDevice,
		MetadataDevice: i.options.MetadataDevice,
		DataSize:       i.options.LoopDataSize,
		MetadataSize:   i.options.LoopMetadataSize,
		Existing:       !fresh,
		Log:            i.log,
	})
	if err != nil {
		return nil, err
	}
	return &deviceStorage{i: i, backend: backend}, nil
}

func (s *deviceStorage) openPool(ctx context.Context, fresh bool) (_ *thinpool.Pool, err error) {
	s.pool, err = s.i.openOwnPool(ctx, s.backend.DataDevice(), s.backend.MetadataDevice(), fresh)
	return s.pool, err
}

func (s *deviceStorage) metadataDevice() string { return s.backend.MetadataDevice() }

func (s *deviceStorage) place() place {
	return place{
		kind:       admin.BackendDevices,
		dataDevice: s.backend.DataDevice(), metadataDevice: s.backend.MetadataDevice(),
		dataFile: s.backend.DataFile(), metadataFile: s.backend.MetadataFile(),
	}
}

func (s *deviceStorage) growth() growth {
	return growth{lowWater: lowWaterBlocks, howTo: "grow the device " + s.backend.DataDevice() + "; the pool takes it up by itself"}
}

func (s *deviceStorage) resize(ctx context.Context, to admin.ResizeRequest) error {
	for _, part := range []struct {
		size int64
		file string
		grow func(int64) error
		what string
	}{
		{to.Data, s.backend.DataFile(), s.backend.GrowData, "data"},
		{to.Metadata, s.backend.MetadataFile(), s.backend.GrowMetadata, "metadata"},
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

func (s *deviceStorage) Close() error { return s.backend.Close() }
