package main

import (
	"context"
	"errors"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// usesWait bounds how long a listing waits for the layers' use of the pool:
// comparisons of layers need the same metadata snapshot meanwhile.
const usesWait = 10 * time.Second

// spaceUses is what each thin device takes of the pool.
type spaceUses struct {
	blockSize int64
	devices   map[uint32]thinmeta.Use
}

// uses is empty where the pool's metadata can't be read, as that of a pool that
// takes no messages any more: layers are listed all the same.
func (s source) uses(ctx context.Context, i *instance) spaceUses {
	ctx, cancel := context.WithTimeout(ctx, usesWait)
	defer cancel()
	uses, err := i.metadata.uses(ctx)
	if err != nil {
		s.d.log.WithError(err).Warn("can't read what the layers take of the pool")
		return spaceUses{}
	}
	return uses
}

func (m *poolMetadata) uses(ctx context.Context) (uses spaceUses, err error) {
	release, err := m.hold(ctx)
	if err != nil {
		return uses, err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	metadata, err := m.open()
	if err != nil {
		return uses, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	uses.blockSize = metadata.Superblock().BlockSize
	uses.devices, err = metadata.Uses(ctx)
	return uses, err
}

// fill leaves alone what is not known, as of a device made since. A mounted
// layer's own device was asked later than the pool, so its word counts.
func (u spaceUses) fill(l *admin.Layer) {
	use, ok := u.devices[l.DeviceID]
	if !ok || l.Busy {
		return
	}
	if l.Mapped == admin.MappedUnknown {
		l.Mapped = int64(use.Mapped) * u.blockSize
	}
	l.Exclusive = int64(use.Exclusive) * u.blockSize
}
