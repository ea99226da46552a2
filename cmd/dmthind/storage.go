package main

import (
	"context"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/monitor"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// storage is what the pool lies on: a backend of one kind or another.
type storage interface {
	// openPool opens the pool, or makes it where fresh says that there are no
	// layers yet and the backend is one that makes pools.
	openPool(ctx context.Context, fresh bool) (*thinpool.Pool, error)
	// metadataDevice is where the pool's metadata can be read.
	metadataDevice() string
	place() place
	growth() growth
	// resize makes files of ours larger; admin.ErrRefused where there are none.
	resize(ctx context.Context, to admin.ResizeRequest) error
	Close() error
}

// place says where a pool is, as users see it.
type place struct {
	kind admin.Backend
	// What `docker info` names; empty for a pool that LVM or the operator made.
	dataDevice, metadataDevice string
	dataFile, metadataFile     string // of loop devices
}

// growth says how the pool gets more space.
type growth struct {
	grower    monitor.Grower // nil: not by itself
	threshold int            // percent in use from which on it grows
	lowWater  int64          // free blocks at which the kernel raises its event; 0: LVM's business
	host      monitor.Host   // whose disk it shares; nil: nobody's
	howTo     string         // what an operator can do, for warnings
}

// openStorage opens the backend that the options ask for. Each refuses state
// that belongs to another.
func (i *instance) openStorage(ctx context.Context, fresh bool) (storage, error) {
	o := i.options
	switch {
	case o.DirectLVM.Device != "":
		return i.openDirectLVM(ctx, fresh)
	case o.ThinPoolDevice != "":
		return i.openThinPool(ctx, fresh)
	case o.DataDevice != "" || o.MetadataDevice != "":
		return i.openDevices(ctx, fresh)
	}
	return i.openLoop(ctx, fresh)
}

// loopDir is where loop files lie.
func (i *instance) loopDir() string { return filepath.Join(i.stateDir, "devicemapper") }
