package main

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/backend/directlvm"
	"github.com/dmthin/dmthin/internal/backend/looplvm"
)

// openLoop opens loop-lvm, the default.
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
	return &ownStorage{i: i, kind: admin.BackendLoop, twoDevices: backend, grow: growth{
		lowWater: lowWaterBlocks,
		host:     backend,
		howTo:    "dmthin resize SIZE makes the data file larger, if the host's disk has room",
	}}, nil
}
