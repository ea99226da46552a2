package thinpool

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/dm"
)

// Pool is an active thin pool. Its methods may be called from many goroutines
// at once; calls for one device ID or name are the caller's to order.
type Pool struct {
	spec   Spec
	number devNumber
	log    *logrus.Entry
}

// Name returns the pool's device-mapper name.
func (p *Pool) Name() string { return p.spec.Name }

// Open creates the pool device, or adopts the active one of that name. It waits
// for udevd, so that the pool's symlink in /dev/mapper exists.
//
// An active device is adopted only if it has the pool's UUID (else ErrForeign)
// and lies on these devices with this block size. Its other settings stay as
// they are until it is next created.
func Open(ctx context.Context, spec Spec, log *logrus.Entry) (*Pool, error) {
	if err := spec.validate(); err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", spec.Name, err)
	}
	number, err := openPool(ctx, spec, log)
	if err != nil {
		return nil, fmt.Errorf("thin pool %s: %w", spec.Name, explain(err))
	}
	return &Pool{spec: spec, number: number, log: log}, nil
}

func openPool(ctx context.Context, spec Spec, log *logrus.Entry) (devNumber, error) {
	if err := ctx.Err(); err != nil {
		return devNumber{}, err
	}
	backing, err := findBacking(spec)
	if err != nil {
		return devNumber{}, err
	}
	info, err := dm.Lookup(dm.ID{Name: spec.Name})
	if err != nil {
		return devNumber{}, err
	}
	if info.Exists && info.UUID == spec.UUID && !info.LiveTable {
		// Left by a process that ended between making and loading it.
		if err := dm.Remove(ctx, spec.id(), dm.RemoveOptions{}); err != nil {
			return devNumber{}, err
		}
		info.Exists = false
	}
	if info.Exists {
		return devNumber{info.Major, info.Minor}, adoptPool(spec, backing, info, log)
	}
	return createPool(ctx, spec, backing, log)
}

func createPool(ctx context.Context, spec Spec, b backing, log *logrus.Entry) (devNumber, error) {
	recorded, err := recordedBlockSize(spec.MetadataDevice)
	if err != nil {
		return devNumber{}, err
	}
	if recorded != 0 && recorded != spec.BlockSize {
		return devNumber{}, blockSizeError(recorded, spec.BlockSize)
	}
	table := spec.table(b.metadata, b.data, b.dataSize)
	info, err := dm.Create(ctx, spec.id(), table, dm.CreateOptions{WaitUdev: true})
	if errors.Is(err, dm.ErrUdevTimeout) {
		log.WithError(err).Warnf("thin pool %s is active, but /dev/mapper/%s may be missing", spec.Name, spec.Name)
		err = nil
	}
	if err != nil && info.Exists {
		return devNumber{}, also(err, dm.Remove(context.WithoutCancel(ctx), spec.id(), dm.RemoveOptions{}))
	}
	return devNumber{info.Major, info.Minor}, err
}

// adoptPool makes sure that the active device is the pool that spec describes.
func adoptPool(spec Spec, b backing, info dm.Info, log *logrus.Entry) error {
	if info.UUID != spec.UUID {
		return fmt.Errorf("%w: a device of that name is active with UUID %q, not %q", ErrForeign, info.UUID, spec.UUID)
	}
	target, err := onlyTarget(spec.id(), poolTarget)
	if err != nil {
		return err
	}
	active, err := parsePoolTable(target.Params)
	if err != nil {
		return err
	}
	if active.metadata != b.metadata || active.data != b.data {
		return fmt.Errorf("the active pool lies on metadata device %s and data device %s, not on %s (%s) and %s (%s)",
			active.metadata, active.data, b.metadata, spec.MetadataDevice, b.data, spec.DataDevice)
	}
	if size := int64(active.blockSectors) * sectorSize; size != spec.BlockSize {
		return blockSizeError(size, spec.BlockSize)
	}
	want := spec.table(b.metadata, b.data, b.dataSize)[0]
	if want.Params != active.String() || want.Length != target.Length {
		log.Warnf("thin pool %s is active with the table %q of %d sectors; %q of %d sectors apply when it is next created",
			spec.Name, target.Params, target.Length, want.Params, want.Length)
	}
	if info.DeferredRemove {
		if err := dm.CancelDeferredRemove(spec.id()); err != nil {
			return err
		}
	}
	if info.Suspended {
		return dm.Resume(spec.id())
	}
	return nil
}

func blockSizeError(recorded, asked int64) error {
	return fmt.Errorf("the pool has a block size of %d bytes, which can't be changed to %d: leave the option out or give the pool's own size", recorded, asked)
}

// onlyTarget returns the device's live target, which must be of this type.
func onlyTarget(dev dm.ID, kind string) (dm.Target, error) {
	table, err := dm.Table(dev)
	if err != nil {
		return dm.Target{}, err
	}
	if len(table) != 1 || table[0].Type != kind {
		return dm.Target{}, fmt.Errorf("%w: device %s is no %s device", ErrForeign, dev, kind)
	}
	return table[0], nil
}

// Close removes the pool device and waits for udevd; data and metadata stay.
// ErrBusy: thin devices are still active. A pool that is gone is no error.
func (p *Pool) Close(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := explain(dm.Remove(ctx, p.spec.id(), dm.RemoveOptions{WaitUdev: true}))
	switch {
	case err == nil, errors.Is(err, ErrNotActive):
		return nil
	case errors.Is(err, dm.ErrUdevTimeout):
		p.log.WithError(err).Warnf("thin pool %s is removed, but /dev/mapper/%s may be left", p.spec.Name, p.spec.Name)
		return nil
	}
	return fmt.Errorf("remove thin pool %s: %w", p.spec.Name, err)
}

// Status reads the pool's status without making it commit its metadata.
func (p *Pool) Status(ctx context.Context) (Status, error) {
	if err := ctx.Err(); err != nil {
		return Status{}, err
	}
	targets, err := dm.Status(p.spec.id(), true)
	if err == nil && (len(targets) != 1 || targets[0].Type != poolTarget) {
		err = ErrForeign
	}
	if err != nil {
		return Status{}, fmt.Errorf("status of thin pool %s: %w", p.spec.Name, explain(err))
	}
	status, err := parsePoolStatus(targets[0].Params)
	if err != nil {
		return Status{}, fmt.Errorf("status of thin pool %s: %w", p.spec.Name, err)
	}
	status.BlockSize = p.spec.BlockSize
	return status, nil
}
