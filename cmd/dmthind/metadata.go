package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// poolMetadata is where a live pool's metadata are read. The pool can hold only
// one metadata snapshot at a time.
type poolMetadata struct {
	pool   *thinpool.Pool
	device string
	turn   chan struct{} // full while the snapshot is ours
	fixed  bool          // the pool can't be changed, so that it is read as it is; of whoever has the turn
}

func newPoolMetadata(pool *thinpool.Pool, device string) *poolMetadata {
	return &poolMetadata{pool: pool, device: device, turn: make(chan struct{}, 1)}
}

// Commit has the pool write down what its metadata are.
func (m *poolMetadata) Commit(ctx context.Context) (path string, err error) {
	return m.device, m.pool.Commit(ctx)
}

// Turn waits for other readers, and keeps them out until done.
func (m *poolMetadata) Turn(ctx context.Context) (done func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other readers of the pool's metadata: %w", ctx.Err())
	}
}

// Hold releases a snapshot that a dead process left, and takes one. It is for
// whoever has the turn.
func (m *poolMetadata) Hold(ctx context.Context) (path string, release func(context.Context) error, err error) {
	if err := m.reserve(ctx); err != nil {
		return "", nil, err
	}
	return m.device, m.pool.ReleaseMetadataSnapshot, nil
}

// fixedMetadata is for those who read by way of open: a pool without room for a
// snapshot doesn't need one.
type fixedMetadata struct{ *poolMetadata }

func (m fixedMetadata) Hold(ctx context.Context) (path string, release func(context.Context) error, err error) {
	path, release, err = m.poolMetadata.Hold(ctx)
	m.fixed = false
	if err == nil {
		return path, release, nil
	}
	status, statusErr := m.pool.Status(ctx)
	if statusErr != nil || !errors.Is(status.Check(), thinpool.ErrOutOfMetadataSpace) {
		return "", nil, err
	}
	m.fixed = true
	return m.device, func(context.Context) error { return nil }, nil
}

// open reads what fixedMetadata holds.
func (m *poolMetadata) open() (*thinmeta.Reader, error) {
	if m.fixed {
		return thinmeta.Open(m.device)
	}
	return thinmeta.OpenHeld(m.device)
}

// hold is Turn and Hold, for who reads by way of open.
func (m *poolMetadata) hold(ctx context.Context) (release func(context.Context) error, err error) {
	done, err := m.Turn(ctx)
	if err != nil {
		return nil, err
	}
	_, letGo, err := fixedMetadata{m}.Hold(ctx)
	if err != nil {
		done()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer done()
		return letGo(ctx)
	}, nil
}

func (m *poolMetadata) reserve(ctx context.Context) error {
	status, err := m.pool.Status(ctx)
	if err != nil {
		return err
	}
	if status.HeldRoot != 0 {
		if err := m.pool.ReleaseMetadataSnapshot(ctx); err != nil {
			return err
		}
	}
	return m.pool.ReserveMetadataSnapshot(ctx)
}

// inventory reads what the pool holds from its own metadata.
type inventory struct {
	*thinpool.Pool
	metadata *poolMetadata
}

// Existing reads what the pool committed last, which in a pool that was just opened
// stays as it is; in one at work, and where it can't commit, what is held for it.
func (i inventory) Existing(ctx context.Context) (map[thinpool.DeviceID]uint64, error) {
	devices, err := i.metadata.committedDevices(ctx)
	if err != nil {
		devices, err = i.metadata.heldDevices(ctx)
	}
	if err != nil {
		return nil, err
	}
	existing := make(map[thinpool.DeviceID]uint64, len(devices))
	for _, d := range devices {
		existing[thinpool.DeviceID(d.ID)] = d.TransactionID
	}
	return existing, nil
}

func (m *poolMetadata) committedDevices(ctx context.Context) ([]thinmeta.Device, error) {
	path, err := m.Commit(ctx)
	if err != nil {
		return nil, err
	}
	return readDevices(ctx, func() (*thinmeta.Reader, error) { return thinmeta.Open(path) })
}

func (m *poolMetadata) heldDevices(ctx context.Context) (_ []thinmeta.Device, err error) {
	release, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	return betweenCommits(func() ([]thinmeta.Device, error) { return readDevices(ctx, m.open) })
}

func readDevices(ctx context.Context, open func() (*thinmeta.Reader, error)) (_ []thinmeta.Device, err error) {
	metadata, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	return metadata.Devices(ctx)
}

// mappedEnd returns where the last mapped block of a device ends, in bytes.
func mappedEnd(ctx context.Context, path string, id uint32, blockSize int64) (end int64, err error) {
	metadata, err := thinmeta.OpenHeld(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	err = metadata.Mappings(ctx, id, func(m thinmeta.Mapping) error {
		end = int64(m.Virtual+1) * blockSize
		return nil
	})
	return end, err
}
