package blockdiff

import (
	"context"
	"errors"
	"fmt"
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

// committed finds the inodes in which the device after differs from before, while
// both are still. Then all that leads to their blocks stays where it is, and what
// the pool committed last can be read as long as it commits nothing else
// meanwhile, for that may move the way to the devices. If it does, or can't commit
// now, the error is an errMoved.
func (p pool) committed(ctx context.Context, before, after uint32) (inodescan.Result, error) {
	path, err := p.metadata.Commit(ctx)
	if err != nil {
		return inodescan.Result{}, fmt.Errorf("%w: %w", errMoved, err)
	}
	found, err := p.read(ctx, thinmeta.Open, path, before, after)
	if errors.Is(err, thinmeta.ErrChanged) {
		err = fmt.Errorf("%w: %w", errMoved, err)
	}
	return found, err
}

// held is committed for a pool at work: it has the metadata held, for which the
// kernel takes three commits more. It is for whoever has the turn.
func (p pool) held(ctx context.Context, before, after uint32) (_ inodescan.Result, err error) {
	path, release, err := p.metadata.Hold(ctx)
	if err != nil {
		return inodescan.Result{}, err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	return p.read(ctx, thinmeta.OpenHeld, path, before, after)
}

func (p pool) read(ctx context.Context, open func(string) (*thinmeta.Reader, error), path string, before, after uint32) (_ inodescan.Result, err error) {
	metadata, err := open(path)
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
