package state

import (
	"errors"
	"sync"
)

// ErrNoDeviceID is returned when all 2^24 device IDs are taken.
var ErrNoDeviceID = errors.New("the pool has no free device ID")

// DeviceIDs hands out the device IDs of one pool. Safe for concurrent use.
type DeviceIDs struct {
	mu   sync.Mutex // protects all below
	used map[uint32]struct{}
	next uint32
	max  uint32
}

// NewDeviceIDs starts looking for free IDs at next.
func NewDeviceIDs(next uint32) *DeviceIDs {
	return &DeviceIDs{used: map[uint32]struct{}{}, next: next, max: MaxDeviceID}
}

// Take marks id as used.
func (d *DeviceIDs) Take(id uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used[id] = struct{}{}
}

// Free gives an ID back.
func (d *DeviceIDs) Free(id uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.used, id)
}

// Allocate returns an ID that nobody uses and marks it as used. IDs are not
// handed out again soon, which keeps logs readable. The first is 1, as with
// Docker's driver.
func (d *DeviceIDs) Allocate() (uint32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.used) >= int(d.max) {
		return 0, ErrNoDeviceID
	}
	for {
		d.next = d.next%d.max + 1
		if _, taken := d.used[d.next]; !taken {
			d.used[d.next] = struct{}{}
			return d.next, nil
		}
	}
}

// Next is the value to start from after a restart.
func (d *DeviceIDs) Next() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.next
}
