package thinpool

import (
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

func (t Thin) id() dm.ID { return dm.ID{Name: t.Name, UUID: t.UUID} }

func (p *Pool) validate(t Thin) error {
	if err := t.id().Validate(); err != nil {
		return err
	}
	if !p.owns(t.UUID) {
		return fmt.Errorf("UUID %q does not begin with %q", t.UUID, p.prefix)
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
