package thinpool

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/dm"
)

// Suspend freezes the filesystem mounted from a device, writes back what is
// dirty, and holds all further I/O until Resume. Whoever writes meanwhile
// hangs: resume soon, and whatever happens.
func (p *Pool) Suspend(ctx context.Context, name string) error {
	return p.onActive(ctx, "suspend", name, func(dev dm.ID) error {
		return dm.Suspend(dev, dm.SuspendOptions{})
	})
}

// Resume undoes Suspend. It works with a cancelled context too.
func (p *Pool) Resume(ctx context.Context, name string) error {
	return p.onActive(context.WithoutCancel(ctx), "resume", name, dm.Resume)
}

// Resize gives an active device the size of t. Making it smaller is refused:
// what is mounted from it would lose its end. Deactivate it for that.
func (p *Pool) Resize(ctx context.Context, t Thin) error {
	if err := p.validate(t); err != nil {
		return fmt.Errorf("resize thin device %s: %w", t.Name, err)
	}
	return p.onActive(ctx, "resize", t.Name, func(dev dm.ID) error {
		if dev.UUID != t.UUID {
			return fmt.Errorf("%w: UUID %q, not %q", ErrForeign, dev.UUID, t.UUID)
		}
		thin, size, err := p.liveThin(dev)
		switch {
		case err != nil:
			return err
		case thin.id != t.ID:
			return fmt.Errorf("%w: it is active with device ID %d", ErrForeign, thin.id)
		case size > t.Size:
			return fmt.Errorf("it has %d bytes, and can't shrink to %d while active", size, t.Size)
		case size == t.Size:
			return nil
		}
		return p.reload(t)
	})
}

// reload replaces the device's table, and leaves the device running with the
// old one if that fails.
func (p *Pool) reload(t Thin) error {
	dev := t.id()
	if err := dm.Reload(dev, p.table(t)); err != nil {
		return err
	}
	err := dm.Suspend(dev, dm.SuspendOptions{})
	if err != nil {
		// A resume would take up the new table.
		err = also(err, dm.Clear(dev))
	}
	resumeErr := dm.Resume(dev)
	if resumeErr != nil {
		// The kernel has dropped the new table; this one runs the old.
		resumeErr = also(resumeErr, dm.Resume(dev))
	}
	return also(err, resumeErr)
}

// onActive runs call on a device of this pool, which must be active.
func (p *Pool) onActive(ctx context.Context, what, name string, call func(dm.ID) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dev, err := p.active(name)
	if err == nil {
		err = call(dev)
	}
	if err != nil {
		return fmt.Errorf("%s thin device %s: %w", what, name, explain(err))
	}
	return nil
}

// Mapped returns how many sectors of an active device have blocks in the pool,
// its own and shared ones.
func (p *Pool) Mapped(ctx context.Context, name string) (sectors uint64, err error) {
	err = p.onActive(ctx, "status of", name, func(dev dm.ID) error {
		targets, err := dm.Status(dev, true)
		if err != nil {
			return err
		}
		if len(targets) != 1 || targets[0].Type != thinTarget {
			return ErrForeign
		}
		sectors, err = parseThinStatus(targets[0].Params)
		return err
	})
	return sectors, err
}
