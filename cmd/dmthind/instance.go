package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/moby/sys/user"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/backend/looplvm"
	"github.com/dmthin/dmthin/internal/config"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/plugin"
)

// instance is everything one Init opened.
type instance struct {
	request  request
	options  config.Options
	deferred deferral
	stateDir string
	udevSync bool
	log      *logrus.Entry

	records *state.Store
	backend *looplvm.Backend
	pool    *thinpool.Pool
	layers  *layer.Store

	calls sync.WaitGroup // calls under way
}

// openInstance opens records, devices, pool and layers, in this order, or
// closes again what it opened.
func openInstance(ctx context.Context, set settings, req plugin.InitRequest, log *logrus.Entry) (i *instance, err error) {
	i = &instance{request: request(req), stateDir: set.stateDir(req), log: log}
	if i.options, err = config.Parse(req.Options); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.closeBelow(ctx))
			i = nil
		}
	}()
	if err := i.prepareSystem(); err != nil {
		return i, err
	}
	if err := os.MkdirAll(layer.MountRoot(req.Home), 0o711); err != nil {
		return i, fmt.Errorf("make the directory of mount points: %w", err)
	}
	if i.records, err = state.Open(i.stateDir); err != nil {
		return i, err
	}
	if err := i.openPool(ctx); err != nil {
		return i, err
	}
	return i, i.openLayers(ctx)
}

// openPool makes the pool on loop devices, or takes over the one there is.
func (i *instance) openPool(ctx context.Context) (err error) {
	identity, err := i.records.Identity()
	if err != nil {
		return err
	}
	empty, err := i.records.Empty()
	if err != nil {
		return err
	}
	i.backend, err = looplvm.Open(ctx, looplvm.Config{
		Dir:          filepath.Join(i.stateDir, "devicemapper"),
		DataSize:     i.options.LoopDataSize,
		MetadataSize: i.options.LoopMetadataSize,
		Existing:     !empty,
		Log:          i.log,
	})
	if err != nil {
		return err
	}
	blockSize, err := i.blockSize(empty)
	if err != nil {
		return err
	}
	i.pool, err = thinpool.Open(ctx, thinpool.Spec{
		Name:           layer.PoolName(identity),
		UUID:           layer.PoolUUID(identity),
		DataDevice:     i.backend.DataDevice(),
		MetadataDevice: i.backend.MetadataDevice(),
		BlockSize:      blockSize,
		LowWaterBlocks: lowWaterBlocks,
	}, i.log)
	return err
}

// lowWaterBlocks is when the kernel announces that data space runs out: 2 GiB
// at 64 KiB blocks, as Docker's driver had it.
const lowWaterBlocks = 32768

func (i *instance) openLayers(ctx context.Context) (err error) {
	t := filesystem.Type("")
	if i.options.Filesystem != "" {
		if t, err = filesystem.ParseType(i.options.Filesystem); err != nil {
			return err
		}
	}
	maps := user.IdentityMapping{UIDMaps: idMap(i.request.UIDMaps), GIDMaps: idMap(i.request.GIDMaps)}
	i.layers, err = layer.Open(ctx, newSystem(i.pool, i.backend.MetadataDevice()), i.records, layer.Options{
		BaseSize:          i.options.BaseSize,
		BaseSizeGiven:     i.options.BaseSizeSet,
		Filesystem:        t,
		MkfsArgs:          i.options.MkfsArgs,
		MountOptions:      i.options.MountOptions,
		MinFreePercent:    i.options.MinFreeSpacePercent,
		Discard:           i.options.BlkDiscard,
		DeferredRemoval:   i.deferred.removal,
		DeferredDeletion:  i.deferred.deletion,
		XFSNoSpaceRetries: i.options.XFSNoSpaceMaxRetries,
		IDs:               maps,
		MountRoot:         layer.MountRoot(i.request.Home),
		UdevSync:          i.udevSync,
	}, i.log)
	return err
}

// idMap returns nil for no ranges: package user takes an empty map that is not
// nil for one that maps nothing.
func idMap(ranges []plugin.IDMap) []user.IDMap {
	var out []user.IDMap
	for r := range slices.Values(ranges) {
		out = append(out, user.IDMap{ID: int64(r.ContainerID), ParentID: int64(r.HostID), Count: int64(r.Size)})
	}
	return out
}

// shutdown ends the instance and everything it made: mounts, devices, pool,
// loops.
func (i *instance) shutdown(ctx context.Context) error {
	return errors.Join(i.layers.Shutdown(ctx), i.closeBelow(ctx))
}

// detach ends the instance but leaves what containers are using; the next
// instance adopts it.
func (i *instance) detach(ctx context.Context) error {
	if !i.layers.InUse() {
		return i.shutdown(ctx)
	}
	return errors.Join(i.layers.Close(), i.backend.Close(), i.records.Close())
}

// closeBelow closes what lies below the layers. A pool that is still in use
// stays, and is adopted at the next start.
func (i *instance) closeBelow(ctx context.Context) error {
	var errs []error
	if i.pool != nil {
		err := i.pool.Close(ctx)
		if errors.Is(err, thinpool.ErrBusy) {
			i.log.WithError(err).Warn("the pool stays active until the next start")
			err = nil
		}
		errs = append(errs, err)
	}
	if i.backend != nil {
		errs = append(errs, i.backend.Close())
	}
	if i.records != nil {
		errs = append(errs, i.records.Close())
	}
	return errors.Join(errs...)
}
