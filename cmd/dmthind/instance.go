package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/sys/user"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/config"
	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/failpoint"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
	"github.com/dmthin/dmthin/plugin"
)

// instance is everything one Init opened.
type instance struct {
	request      request
	options      config.Options
	deferred     deferral
	stateDir     string
	udevSync     bool
	observeDiff  diffObserver
	verifyShare  float64
	trimInterval time.Duration // 0: never
	log          *logrus.Entry

	records    *state.Store
	identity   state.Identity
	storage    storage
	pool       *thinpool.Pool
	metadata   *poolMetadata
	layers     *layer.Store
	background *background

	calls sync.WaitGroup // calls under way
}

// openInstance opens records, devices, pool and layers, in this order, or
// closes again what it opened.
func openInstance(ctx context.Context, set settings, req plugin.InitRequest, observe diffObserver, log *logrus.Entry) (i *instance, err error) {
	i = &instance{request: request(req), observeDiff: observe, verifyShare: set.verifyShare, stateDir: set.stateDir(req), trimInterval: set.trimInterval, log: log}
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
	if err := dm.RemoveNoted(i.udevNotes()); err != nil {
		log.WithError(err).Warn("what a killed dmthind left is still there")
	}
	for _, step := range []struct {
		name string
		open func(context.Context) error
	}{{"pool", i.openPool}, {"layers", i.openLayers}} {
		if err := failpoint.Hit("open", step.name); err != nil {
			return i, err
		}
		if err := step.open(ctx); err != nil {
			return i, adviseDamage(err)
		}
	}
	i.pool.Settle(ctx)
	i.background = i.startBackground()
	return i, nil
}

// udevNotes is where the semaphores are noted on which udevd is waited for.
func (i *instance) udevNotes() string { return filepath.Join(i.stateDir, "udev") }

// adviseDamage says what to do about metadata that the kernel refuses, for which it
// has EILSEQ, or that can't be read here.
func adviseDamage(err error) error {
	for _, damage := range []error{unix.EILSEQ, thinmeta.ErrMagic, thinmeta.ErrChecksum, thinmeta.ErrCorrupt} {
		if errors.Is(err, damage) {
			return fmt.Errorf("%w; the pool's metadata is damaged: stop Docker and dmthind, and run dmthin repair", err)
		}
	}
	return err
}

// openPool makes the pool, or takes over the one there is.
func (i *instance) openPool(ctx context.Context) (err error) {
	if i.identity, err = i.records.Identity(); err != nil {
		return err
	}
	fresh, err := i.records.Empty()
	if err != nil {
		return err
	}
	if i.storage, err = i.openStorage(ctx, fresh); err != nil {
		return err
	}
	i.pool, err = i.storage.openPool(ctx, fresh)
	return err
}

// uuidPrefix begins the device-mapper UUIDs of all devices of ours.
func (i *instance) uuidPrefix() string { return strings.TrimSuffix(layer.PoolUUID(i.identity), "pool") }

func (i *instance) openLayers(ctx context.Context) (err error) {
	t := filesystem.Type("")
	if i.options.Filesystem != "" {
		if t, err = filesystem.ParseType(i.options.Filesystem); err != nil {
			return err
		}
	}
	maps := user.IdentityMapping{UIDMaps: idMap(i.request.UIDMaps), GIDMaps: idMap(i.request.GIDMaps)}
	i.metadata = newPoolMetadata(i.pool, i.storage.metadataDevice())
	system := withFailpoints(newSystem(i.pool, i.metadata, i.observeDiff, i.verifyShare, i.log), i.records)
	i.layers, err = layer.Open(ctx, system, i.records, layer.Options{
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
		KeepMounted:       keepMounted,
		ReclaimAfter:      reclaimAfter,
	}, i.log)
	return err
}

// keepMounted spans what Docker does with a layer in one go: between the making
// of a container and its start pass some hundred milliseconds.
const keepMounted = 2 * time.Second

// reclaimAfter spans what lies between removals when Docker removes a container's
// two layers, or several containers. It is no time for who waits for the space.
const reclaimAfter = 250 * time.Millisecond

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
	return errors.Join(i.background.stop(ctx), i.layers.Shutdown(ctx), i.closeBelow(ctx))
}

// layersGrace bounds how long work on layers may hold up each step of an
// instance's end. It ends at once, but for a disk that hangs.
const layersGrace = 5 * time.Second

// detach ends the instance but leaves what containers are using, and work that
// doesn't end; the next instance adopts it.
func (i *instance) detach(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, layersGrace)
	used := i.layers.InUse(bounded)
	cancel()
	if !used {
		return i.shutdown(ctx)
	}
	bounded, cancel = context.WithTimeout(ctx, layersGrace)
	defer cancel()
	return errors.Join(i.background.stop(bounded), i.layers.Close(bounded), i.storage.Close(), i.records.Close())
}

// closePool leaves a pool that is still in use as it is.
func (i *instance) closePool(ctx context.Context) error {
	err := i.pool.Close(ctx)
	if errors.Is(err, thinpool.ErrBusy) {
		i.log.WithError(err).Warn("the pool stays active until the next start")
		return nil
	}
	if err != nil {
		return err
	}
	if err := i.records.NoteClosed(); err != nil {
		i.log.WithError(err).Warn("the next start will check the pool's metadata")
	}
	return nil
}

// closeBelow closes what lies below the layers. A pool that is still in use
// stays, and is adopted at the next start.
func (i *instance) closeBelow(ctx context.Context) error {
	var errs []error
	if i.pool != nil {
		errs = append(errs, i.closePool(ctx))
	}
	if i.storage != nil {
		errs = append(errs, i.storage.Close())
	}
	if i.records != nil {
		errs = append(errs, i.records.Close())
	}
	return errors.Join(errs...)
}
