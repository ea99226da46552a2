package thinpool

import (
	"context"
	"fmt"

	"github.com/dmthin/dmthin/internal/dm"
)

// Thin describes a thin device as it is to be active.
type Thin struct {
	Name string   // device-mapper name
	UUID string   // device-mapper UUID; begins with the prefix of the pool's
	ID   DeviceID // inside the pool
	Size int64    // bytes, a multiple of 512; the pool does not record it
}

// Device is an active device's node.
type Device struct {
	Path         string // /dev/dm-N
	Major, Minor uint32
}

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

func (t Thin) id() dm.ID { return dm.ID{Name: t.Name, UUID: t.UUID} }

func (p *Pool) validate(t Thin) error {
	if err := t.id().Validate(); err != nil {
		return err
	}
	if !p.spec.owns(t.UUID) {
		return fmt.Errorf("UUID %q does not begin with %q", t.UUID, p.spec.prefix())
	}
	if t.ID > MaxDeviceID {
		return fmt.Errorf("thin device ID %d is above %d", t.ID, MaxDeviceID)
	}
	if t.Size <= 0 || t.Size%sectorSize != 0 {
		return fmt.Errorf("size %d is not a multiple of %d above 0", t.Size, sectorSize)
	}
	return nil
}

func (p *Pool) table(t Thin) []dm.Target {
	params := thinTable{p.number, t.ID}
	return []dm.Target{{Length: uint64(t.Size / sectorSize), Type: thinTarget, Params: params.String()}}
}

// find looks a device up. ErrForeign: that name is not one of this pool's.
func (p *Pool) find(name string) (dm.Info, error) {
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil || !info.Exists {
		return dm.Info{}, err
	}
	if !p.spec.owns(info.UUID) {
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

// Active returns the active thin devices of this pool, in no order.
func (p *Pool) Active(ctx context.Context) ([]Info, error) {
	names, err := dm.List()
	if err != nil {
		return nil, fmt.Errorf("active devices of thin pool %s: %w", p.spec.Name, err)
	}
	var active []Info
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := dm.Lookup(dm.ID{Name: name})
		if err != nil {
			return nil, fmt.Errorf("active devices of thin pool %s: %w", p.spec.Name, err)
		}
		if !found.Exists || !p.spec.owns(found.UUID) {
			continue
		}
		info, err := p.describe(found)
		if err != nil {
			return nil, fmt.Errorf("active devices of thin pool %s: %w", p.spec.Name, err)
		}
		if info.Exists {
			active = append(active, info)
		}
	}
	return active, nil
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
		return thinTable{}, 0, fmt.Errorf("%w: device %s is of pool %s, not of %s (%s)", ErrForeign, dev, thin.pool, p.number, p.spec.Name)
	}
	return thin, int64(target.Length) * sectorSize, nil
}
