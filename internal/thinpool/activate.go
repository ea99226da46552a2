package thinpool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// The kernel finishes a deferred removal in a work queue of its own, after a
// grace period or two: milliseconds, on a loaded host a second. Until it has,
// the device can neither be kept nor made anew.
const (
	settleTimeout  = 5 * time.Second
	settleFirst    = 2 * time.Millisecond
	settleInterval = 100 * time.Millisecond // longest pause between two looks
)

// While a pool is suspended no device of it can be made: the kernel answers
// EINVAL. Our own reloads keep out of the way of activations; LVM's, when it
// extends the pool, take a second on a slow machine.
const suspendedTimeout = 30 * time.Second

// errSettling says that the device changed while we looked at it, errSuspended
// that its pool is suspended.
var (
	errSettling  = errors.New("the device is changing under us")
	errSuspended = errors.New("the pool is suspended")
)

// Activate makes a thin device appear and returns its node. One that is active
// already is adopted if it is this device (else ErrForeign): a pending deferred
// removal is cancelled, a suspend undone, a smaller table grown. ErrNoDevice:
// the pool has no such ID.
//
// With sync it waits for udevd when it makes the device, so that the symlink in
// /dev/mapper exists; without, that appears some time later.
func (p *Pool) Activate(ctx context.Context, t Thin, sync bool) (Device, error) {
	device, err := p.activate(ctx, t, sync)
	if err != nil {
		return Device{}, fmt.Errorf("activate thin device %d as %s: %w", t.ID, t.Name, explain(err))
	}
	return device, nil
}

func (p *Pool) activate(ctx context.Context, t Thin, sync bool) (Device, error) {
	if err := p.validate(t); err != nil {
		return Device{}, err
	}
	begin := time.Now()
	pause := settleFirst
	for {
		if err := ctx.Err(); err != nil {
			return Device{}, err
		}
		info, err := p.adoptOrCreate(ctx, t, sync)
		if err == nil {
			return Device{info.Path(), info.Major, info.Minor}, nil
		}
		if !passes(err, time.Since(begin)) {
			return Device{}, err
		}
		select {
		case <-ctx.Done():
			return Device{}, ctx.Err()
		case <-time.After(pause):
			pause = min(2*pause, settleInterval)
		}
	}
}

// passes reports whether another try may help after so much time.
func passes(err error, waited time.Duration) bool {
	switch {
	case errors.Is(err, errSuspended):
		return waited < suspendedTimeout
	case errors.Is(err, errSettling):
		return waited < settleTimeout
	case errors.Is(err, unix.EINVAL):
		return waited < settleInterval // the pool may have been resumed before we looked
	}
	return false
}

func (p *Pool) adoptOrCreate(ctx context.Context, t Thin, sync bool) (dm.Info, error) {
	info, err := p.find(t.Name)
	switch {
	case err != nil:
		return dm.Info{}, err
	case !info.Exists:
		return p.create(ctx, t, sync)
	case info.UUID != t.UUID:
		return dm.Info{}, fmt.Errorf("%w: UUID %q, not %q", ErrForeign, info.UUID, t.UUID)
	case !info.LiveTable:
		// Left by a process that ended between making and loading it.
		if err := dm.Remove(ctx, t.id(), dm.RemoveOptions{}); err != nil && !gone(err) {
			return dm.Info{}, err
		}
		return dm.Info{}, errSettling
	}
	if err := p.adopt(t, info); gone(err) {
		return dm.Info{}, fmt.Errorf("%w: %w", errSettling, err)
	} else if err != nil {
		return dm.Info{}, err
	}
	return info, info.CheckNode()
}

func (p *Pool) create(ctx context.Context, t Thin, sync bool) (dm.Info, error) {
	p.reloading.RLock()
	defer p.reloading.RUnlock()
	udev := p.udev
	udev.Wait = sync
	info, err := dm.Create(ctx, t.id(), p.table(t), dm.CreateOptions{Udev: udev})
	switch {
	case errors.Is(err, unix.EINVAL) && p.suspended():
		err = fmt.Errorf("%w: %w", errSuspended, err)
	case errors.Is(err, dm.ErrUdevTimeout):
		p.log.WithError(err).Warnf("thin device %s is active, but /dev/mapper/%s may be missing", t.Name, t.Name)
		err = nil
	case errors.Is(err, unix.EBUSY):
		return dm.Info{}, p.nameOrUUIDTaken(t, err)
	}
	if err == nil {
		err = info.CheckNode()
	}
	if err != nil && info.Exists {
		err = also(err, dm.Remove(context.WithoutCancel(ctx), t.id(), dm.RemoveOptions{}))
	}
	return info, err
}

// suspended reports whether the pool is.
func (p *Pool) suspended() bool {
	info, err := dm.Lookup(p.id)
	return err == nil && info.Suspended
}

// nameOrUUIDTaken finds out why the kernel calls a new device busy.
func (p *Pool) nameOrUUIDTaken(t Thin, err error) error {
	holder, lookupErr := dm.Lookup(dm.ID{UUID: t.UUID})
	if lookupErr == nil && holder.Exists && holder.Name != t.Name {
		return fmt.Errorf("the same device is active as %s: %w", holder.Name, err)
	}
	return fmt.Errorf("%w: %w", errSettling, err) // the name appeared since we looked
}

// adopt turns an active device into what t describes.
func (p *Pool) adopt(t Thin, info dm.Info) error {
	if info.DeferredRemove {
		err := dm.CancelDeferredRemove(t.id())
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%w: %w", errSettling, err)
		}
		if err != nil {
			return err
		}
	}
	thin, size, err := p.liveThin(t.id())
	if err != nil {
		return err
	}
	if thin.id != t.ID {
		return fmt.Errorf("%w: it is active with device ID %d", ErrForeign, thin.id)
	}
	if size < t.Size {
		return p.reload(t)
	}
	if info.Suspended {
		return dm.Resume(t.id())
	}
	return nil
}

// gone reports whether the device went away before the call.
func gone(err error) bool { return errors.Is(err, unix.ENXIO) }
