package main

import (
	"context"
	"errors"

	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/metrics"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/internal/version"
)

// view is the driver as its metrics see it.
type view struct{ d *driver }

func thisBuild() metrics.Build {
	build := version.Get()
	return metrics.Build{Version: build.Version, Revision: build.Commit, GoVersion: build.GoVersion}
}

// Metrics reads what Status reads, in a form that can be counted.
func (v view) Metrics(ctx context.Context) (metrics.Snapshot, error) {
	i, leave, err := v.d.enterNow()
	if err != nil {
		if errors.Is(err, layer.ErrDiverged) {
			return metrics.Snapshot{Recovery: metrics.RecoveryRefused}, err
		}
		return metrics.Snapshot{}, err
	}
	defer leave()
	return i.snapshot(ctx)
}

func (i *instance) snapshot(ctx context.Context) (metrics.Snapshot, error) {
	sum, err := i.layers.Summary(ctx)
	if err != nil {
		return metrics.Snapshot{}, err
	}
	seen, pool := i.background.monitor.State(), sum.Pool
	s := metrics.Snapshot{
		Pool: metrics.Pool{
			Name: i.pool.Name(), Backend: string(i.storage.place().kind), Filesystem: string(sum.Filesystem),
			Mode: metricsMode(pool.Mode), NeedsCheck: pool.NeedsCheck, ErrorIfNoSpace: pool.ErrorIfNoSpace,
			TransactionID: pool.TransactionID, BlockSize: pool.BlockSize,
		},
		Space: metrics.Space{
			DataUsed: int64(pool.DataUsed) * pool.BlockSize, DataSize: int64(pool.DataTotal) * pool.BlockSize,
			DataLowWater: i.storage.growth().lowWater * pool.BlockSize,
			MetadataUsed: int64(pool.MetadataUsed) * metadataBlock, MetadataSize: int64(pool.MetadataTotal) * metadataBlock,
			MetadataLowWater: int64(pool.MetadataLowWater) * metadataBlock,
			MinFree:          sum.MinFreeBytes, HostFree: seen.HostFree, FullSince: seen.FullSince,
		},
		Layers: metrics.Layers{
			Layers: sum.Layers, ActiveDevices: sum.Active, Mounts: sum.Mounted,
			DeferredDeletions: sum.WaitingDeletions, LeakedDevices: len(sum.Leaked), Problems: len(sum.Problems),
		},
		Extensions: metrics.Extensions{
			Done: seen.Extensions.Done, Failed: seen.Extensions.Failed, LastDone: seen.Extensions.LastDone,
			Failing: seen.Extensions.Failure != "", Threshold: metrics.Unknown, Reserve: seen.Extensions.Reserve,
		},
		Recovery: metrics.Recovery(i.layers.Recovery()),
	}
	if seen.Extensions.Possible {
		s.Extensions.Threshold = i.storage.growth().threshold
	}
	return s, nil
}

func metricsMode(m thinpool.Mode) metrics.Mode {
	if m == thinpool.ModeFailed {
		return metrics.ModeFailed
	}
	return metrics.Mode(m)
}
