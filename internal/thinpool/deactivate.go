package thinpool

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// Deactivate removes an active thin device; its data stays in the pool.
// ErrBusy: it is mounted or open, perhaps only for a moment, and the caller may
// try again. A device that isn't active is no error.
func (p *Pool) Deactivate(ctx context.Context, name string) error {
	return p.deactivate(ctx, name, func(dev dm.ID) error {
		return dm.Remove(ctx, dev, dm.RemoveOptions{})
	})
}

// DeactivateDeferred is Deactivate for a device that may be in use: the kernel
// removes it when the last user closes it. Activate takes that back.
func (p *Pool) DeactivateDeferred(ctx context.Context, name string) error {
	return p.deactivate(ctx, name, dm.RemoveDeferred)
}

func (p *Pool) deactivate(ctx context.Context, name string, remove func(dm.ID) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dev, err := p.active(name)
	if err == nil {
		err = remove(dev)
	}
	if err == nil || gone(err) || errors.Is(err, ErrNotActive) {
		return nil
	}
	return fmt.Errorf("deactivate thin device %s: %w", name, explain(err))
}

// Rename gives an active device another name; its UUID stays. ErrDeviceExists:
// the name is taken.
func (p *Pool) Rename(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := p.active(from)
	if err == nil {
		err = dm.Rename(from, to)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("rename thin device %s to %s: %w: %w", from, to, ErrDeviceExists, err)
	default:
		return fmt.Errorf("rename thin device %s to %s: %w", from, to, explain(err))
	}
}
