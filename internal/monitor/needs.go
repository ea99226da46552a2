package monitor

import (
	"context"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// Pool is the pool to watch.
type Pool interface {
	Name() string
	Status(ctx context.Context) (thinpool.Status, error)
	// Grow has the pool use devices that have become larger.
	Grow(ctx context.Context) (grown bool, err error)
	SetErrorIfNoSpace(ctx context.Context, on bool) error
}

// Grower makes a pool larger.
type Grower interface {
	// Extend adds space, data and metadata, where their use is above the
	// threshold. That someone else was faster is no error. An error says what
	// the operator can do.
	Extend(ctx context.Context) error
	// Reserve returns how many bytes there are left to extend by.
	Reserve(ctx context.Context) (int64, error)
}

// Host holds the files below a pool on loop devices.
type Host interface {
	// HostFree returns how many bytes the files' filesystem has left.
	HostFree() (int64, error)
	// TakeUp makes the devices as large as the files.
	TakeUp() error
	// ReserveMetadata keeps host space for the used bytes of metadata and more.
	ReserveMetadata(used int64) error
}

// Events wakes the monitor.
type Events interface {
	// Wait returns when anything has happened since it last returned.
	Wait(ctx context.Context) error
}
