package main

import (
	"context"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/backend/blockdevice"
)

// openDevices opens the block devices that the deprecated dm.datadev and
// dm.metadatadev name; a loop file stands in for one that is not given.
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
	return &ownStorage{i: i, kind: admin.BackendDevices, twoDevices: backend, grow: growth{
		lowWater: lowWaterBlocks,
		howTo:    "grow the device " + backend.DataDevice() + "; the pool takes it up by itself",
	}}, nil
}
