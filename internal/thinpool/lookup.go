package thinpool

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/dm"
)

// Info is the state of a thin device. Without Exists it is empty.
type Info struct {
	Exists bool
	Name   string
	UUID   string
	Device Device

	ID   DeviceID
	Size int64 // bytes

	OpenCount      int // mounts and open descriptors
	Suspended      bool
	DeferredRemove bool // goes away when OpenCount falls to 0
}

// find looks a device up. ErrForeign: that name is not one of this pool's.
func (p *Pool) find(name string) (dm.Info, error) {
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil || !info.Exists {
		return dm.Info{}, err
	}
	if !p.owns(info.UUID) {
		return dm.Info{}, fmt.Errorf("%w: UUID %q", ErrForeign, info.UUID)
	}
	return info, nil
}

// active finds a device that has to be there, and returns how to address it.
func (p *Pool) active(name string) (dm.ID, error) {
	info, err := p.find(name)
	if err == nil && !info.Exists {
		err = ErrNotActive
	}
	return dm.ID{Name: info.Name, UUID: info.UUID}, err
}

// Lookup reads the state of a thin device. ErrForeign: the name is in use by a
// device that is not one of this pool's.
func (p *Pool) Lookup(ctx context.Context, name string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	found, err := p.find(name)
	if err == nil {
		var info Info
		if info, err = p.describe(found); err == nil {
			return info, nil
		}
	}
	return Info{}, fmt.Errorf("look up thin device %s: %w", name, err)
}

// Active returns the active thin devices of this pool, in no order; one without
// a table yet has neither ID nor Size. One that has
// the pool's UUID prefix but another target is left out, with a warning:
// someone has replaced its table.
func (p *Pool) Active(ctx context.Context) ([]Info, error) {
	names, err := dm.List()
	if err != nil {
		return nil, fmt.Errorf("active devices of thin pool %s: %w", p.id.Name, err)
	}
	var active []Info
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		info, err := p.ownDevice(name)
		switch {
		case errors.Is(err, ErrForeign):
			p.log.WithError(err).Warnf("device %s is not counted as active", name)
		case err != nil:
			return nil, fmt.Errorf("active devices of thin pool %s: %w", p.id.Name, err)
		case info.Exists:
			active = append(active, info)
		}
	}
	return active, nil
}

// ownDevice reads the state of a device if it is one of this pool's. One that a
// process left between making it and starting its table counts: the table it
// loaded keeps the pool busy.
func (p *Pool) ownDevice(name string) (Info, error) {
	found, err := dm.Lookup(dm.ID{Name: name})
	switch {
	case err != nil || !found.Exists || !p.owns(found.UUID):
		return Info{}, err
	case !found.LiveTable:
		return Info{Exists: true, Name: found.Name, UUID: found.UUID, Device: Device{found.Path(), found.Major, found.Minor}}, nil
	}
	return p.describe(found)
}

// describe adds what the table tells. A device that is gone by now does not
// exist, and neither does one that never got a table.
func (p *Pool) describe(found dm.Info) (Info, error) {
	if !found.Exists || !found.LiveTable {
		return Info{}, nil
	}
	thin, size, err := p.liveThin(dm.ID{Name: found.Name, UUID: found.UUID})
	if gone(err) {
		return Info{}, nil
	}
	if err != nil {
		return Info{}, err
	}
	return Info{
		Exists: true,
		Name:   found.Name,
		UUID:   found.UUID,
		Device: Device{found.Path(), found.Major, found.Minor},
		ID:     thin.id,
		Size:   size,

		OpenCount:      found.OpenCount,
		Suspended:      found.Suspended,
		DeferredRemove: found.DeferredRemove,
	}, nil
}

// liveThin reads an active device's table, which must be of this pool.
func (p *Pool) liveThin(dev dm.ID) (_ thinTable, size int64, err error) {
	target, err := onlyTarget(dev, thinTarget)
	if err != nil {
		return thinTable{}, 0, err
	}
	thin, err := parseThinTable(target.Params)
	if err != nil {
		return thinTable{}, 0, err
	}
	if thin.pool != p.number {
		return thinTable{}, 0, fmt.Errorf("%w: device %s is of pool %s, not of %s (%s)", ErrForeign, dev, thin.pool, p.number, p.id.Name)
	}
	return thin, int64(target.Length) * sectorSize, nil
}
