package blockdiff

import (
	"context"
	"errors"
	"io"

	"github.com/dmthin/dmthin/internal/inodescan"
	"github.com/dmthin/dmthin/internal/thindata"
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
	data, err := thindata.Open(device)
	if err != nil {
		return inodescan.Result{}, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	return scanDevices(ctx, metadata, data, before, after)
}

func scanDevices(ctx context.Context, metadata *thinmeta.Reader, data io.ReaderAt, before, after uint32) (inodescan.Result, error) {
	was, err := thindata.OpenVolume(ctx, metadata, data, before)
	if err != nil {
		return inodescan.Result{}, err
	}
	is, err := thindata.OpenVolume(ctx, metadata, data, after)
	if err != nil {
		return inodescan.Result{}, err
	}
	var changed []inodescan.Extent
	var count int
	err = metadata.Diff(ctx, before, after, func(c thinmeta.Change) error {
		if count++; count > maxChanged {
			return errMany
		}
		was.Know(c.Virtual, c.Old)
		is.Know(c.Virtual, c.New)
		changed = appendBlock(changed, int64(c.Virtual), is.BlockSize())
		return nil
	})
	if err != nil {
		return inodescan.Result{}, err
	}
	return inodescan.Scan(ctx, was, is, changed)
}

// appendBlock adds a block behind the extents.
func appendBlock(extents []inodescan.Extent, block, size int64) []inodescan.Extent {
	if last := len(extents) - 1; last >= 0 && extents[last].Offset+extents[last].Length == block*size {
		extents[last].Length += size
		return extents
	}
	return append(extents, inodescan.Extent{Offset: block * size, Length: size})
}
