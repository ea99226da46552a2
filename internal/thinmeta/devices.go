package thinmeta

import (
	"context"
	"encoding/binary"
)

const maxDeviceID = 1<<24 - 1

// Device is one thin device of the pool.
type Device struct {
	ID            uint32 // 0 to 2^24-1
	MappedBlocks  uint64 // shared ones included
	TransactionID uint64 // of the pool when the device was made
	CreationTime  uint32 // the pool's Time when it was made
	SnapTime      uint32 // and when it was last a snapshot or the origin of one
}

// Devices returns the thin devices in the order of their IDs.
func (r *Reader) Devices(ctx context.Context) ([]Device, error) {
	var devices []Device
	t, err := r.openTree(ctx, r.superblock.detailsRoot, maxDeviceID, detailsSize)
	if err == nil {
		err = t.walk(ctx, func(id uint64, details []byte) error {
			devices = append(devices, parseDevice(uint32(id), details))
			return nil
		})
	}
	if err = r.finish(ctx, err); err != nil {
		return nil, err
	}
	return devices, nil
}

func parseDevice(id uint32, details []byte) Device {
	return Device{
		ID:            id,
		MappedBlocks:  binary.LittleEndian.Uint64(details),
		TransactionID: binary.LittleEndian.Uint64(details[8:]),
		CreationTime:  binary.LittleEndian.Uint32(details[16:]),
		SnapTime:      binary.LittleEndian.Uint32(details[20:]),
	}
}
