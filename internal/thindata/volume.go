package thindata

import (
	"context"
	"io"

	"github.com/dmthin/dmthin/internal/thinmeta"
)

// Volume reads one thin device. It shows what the device held when the metadata
// were reserved, whether it is active, suspended or neither.
type Volume struct {
	ctx       context.Context //nolint:containedctx // io.ReaderAt has no place for it
	mapped    *thinmeta.Volume
	known     map[uint64]uint64 // blocks looked up before, by virtual block
	data      io.ReaderAt
	blockSize int64
}

// OpenVolume opens device id. ctx is for all reads. The rule of one goroutine at
// a time that metadata has is for its volumes too.
func OpenVolume(ctx context.Context, metadata *thinmeta.Reader, data io.ReaderAt, id uint32) (*Volume, error) {
	mapped, err := metadata.Volume(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Volume{ctx, mapped, map[uint64]uint64{}, data, metadata.Superblock().BlockSize}, nil
}

// BlockSize is that of the pool, in bytes.
func (v *Volume) BlockSize() int64 { return v.blockSize }

// Know saves looking up a virtual block that the caller knows the data block of,
// or thinmeta.Unmapped.
func (v *Volume) Know(virtual, data uint64) { v.known[virtual] = data }

// ReadAt implements io.ReaderAt. What isn't mapped reads as zeros.
func (v *Volume) ReadAt(p []byte, offset int64) (n int, err error) {
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

func (v *Volume) readBlock(p []byte, virtual uint64, skip int64) (err error) {
	data, ok := v.known[virtual]
	if !ok {
		if data, err = v.mapped.Block(v.ctx, virtual); err != nil {
			return err
		}
		v.Know(virtual, data)
	}
	if data == thinmeta.Unmapped {
		clear(p)
		return nil
	}
	_, err = v.data.ReadAt(p, int64(data)*v.blockSize+skip)
	return err
}
