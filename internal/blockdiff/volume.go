package blockdiff

import (
	"context"
	"io"

	"github.com/dmthin/dmthin/internal/thinmeta"
)

// volume reads a thin device by way of the pool's data device. It shows what
// the device held when the metadata were reserved, whether the device is active,
// suspended or neither.
type volume struct {
	ctx       context.Context
	mapped    *thinmeta.Volume
	known     map[uint64]uint64 // blocks looked up before, by virtual block
	data      io.ReaderAt
	blockSize int64
}

// ReadAt implements io.ReaderAt. What isn't mapped reads as zeros.
func (v *volume) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		skip := offset % v.blockSize
		part := p[n:min(int64(len(p)), int64(n)+v.blockSize-skip)]
		if err := v.readBlock(part, uint64(offset/v.blockSize), skip); err != nil {
			return n, err
		}
		n += len(part)
		offset += int64(len(part))
	}
	return n, nil
}

func (v *volume) readBlock(p []byte, virtual uint64, skip int64) (err error) {
	data, ok := v.known[virtual]
	if !ok {
		if data, err = v.mapped.Block(v.ctx, virtual); err != nil {
			return err
		}
		v.known[virtual] = data
	}
	if data == thinmeta.Unmapped {
		clear(p)
		return nil
	}
	_, err = v.data.ReadAt(p, int64(data)*v.blockSize+skip)
	return err
}
