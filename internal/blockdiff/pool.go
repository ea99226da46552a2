package blockdiff

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dmthin/dmthin/internal/inodescan"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// maxChanged bounds the differing blocks that are kept in memory, some hundred bytes each.
const maxChanged = 1 << 18

// pool compares thin devices by what the pool stores of them.
type pool struct {
	metadata   Metadata
	dataDevice func(context.Context) (string, error)
}

// scan finds the inodes in which the device after differs from before. The
// metadata are held for no longer than that takes: while they are, the pool
// keeps every block that has been freed since.
func (p pool) scan(ctx context.Context, before, after uint32) (_ inodescan.Result, err error) {
	path, release, err := p.metadata.Hold(ctx)
	if err != nil {
		return inodescan.Result{}, err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	metadata, err := thinmeta.OpenHeld(path)
	if err != nil {
		return inodescan.Result{}, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	device, err := p.dataDevice(ctx)
	if err != nil {
		return inodescan.Result{}, err
	}
	data, err := openDirect(device)
	if err != nil {
		return inodescan.Result{}, fmt.Errorf("open the pool's data device: %w", err)
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	return scanDevices(ctx, metadata, data, before, after)
}

func scanDevices(ctx context.Context, metadata *thinmeta.Reader, data io.ReaderAt, before, after uint32) (inodescan.Result, error) {
	was, err := openVolume(ctx, metadata, data, before)
	if err != nil {
		return inodescan.Result{}, err
	}
	is, err := openVolume(ctx, metadata, data, after)
	if err != nil {
		return inodescan.Result{}, err
	}
	var changed []inodescan.Extent
	err = metadata.Diff(ctx, before, after, func(c thinmeta.Change) error {
		if len(was.known) == maxChanged {
			return errMany
		}
		was.known[c.Virtual], is.known[c.Virtual] = c.Old, c.New
		changed = appendBlock(changed, int64(c.Virtual), is.blockSize)
		return nil
	})
	if err != nil {
		return inodescan.Result{}, err
	}
	return inodescan.Scan(ctx, was, is, changed)
}

func openVolume(ctx context.Context, metadata *thinmeta.Reader, data io.ReaderAt, id uint32) (*volume, error) {
	mapped, err := metadata.Volume(ctx, id)
	if err != nil {
		return nil, err
	}
	return &volume{ctx, mapped, map[uint64]uint64{}, data, metadata.Superblock().BlockSize}, nil
}

// appendBlock adds a block behind the extents.
func appendBlock(extents []inodescan.Extent, block, size int64) []inodescan.Extent {
	if last := len(extents) - 1; last >= 0 && extents[last].Offset+extents[last].Length == block*size {
		extents[last].Length += size
		return extents
	}
	return append(extents, inodescan.Extent{Offset: block * size, Length: size})
}
