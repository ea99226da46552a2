package main

import (
	"context"
	"errors"
	"io"

	"github.com/moby/sys/user"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/nameindex"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// newSystem puts together what the layer store stands on.
func newSystem(pool *thinpool.Pool, metadata *poolMetadata, observe diffObserver, verify float64, log *logrus.Entry) layer.System {
	return layer.System{
		Pool:      pool,
		Devices:   devices{pool, metadata},
		Freezer:   pool,
		Inventory: inventory{pool, metadata},
		Mounter:   kernelFS{},
		Formatter: kernelFS{},
		Resizer:   kernelFS{},
		Differ:    newDiffer(pool, metadata, observe, verify, log),
		Archiver:  archive{},
		Metadata:  fixedMetadata{metadata},
		Trimmer:   trimmer{pool},
		Checker:   kernelFS{},
	}
}

// poolBlockSize reads the block size of the pool that a metadata device
// describes, in bytes.
func poolBlockSize(metadataDevice string) (_ int64, err error) {
	metadata, err := thinmeta.Open(metadataDevice)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, metadata.Close()) }()
	return metadata.Superblock().BlockSize, nil
}

// kernelFS is package filesystem as the layer store sees it.
type kernelFS struct{}

func (kernelFS) Mount(ctx context.Context, device, dir string, t filesystem.Type, o filesystem.MountOptions) error {
	return filesystem.Mount(ctx, device, dir, t, o)
}

func (kernelFS) MakeWritable(ctx context.Context, dir string) error {
	return filesystem.MakeWritable(ctx, dir)
}

func (kernelFS) Unmount(ctx context.Context, dir string) (bool, error) {
	return filesystem.Unmount(ctx, dir)
}

func (kernelFS) Detach(dir string) (io.Closer, error) { return filesystem.Detach(dir) }

func (kernelFS) Alive(dir string) error { return filesystem.Alive(dir) }

func (kernelFS) Sync(dir string) error { return filesystem.Sync(dir) }

func (kernelFS) Mounts(ctx context.Context, under string) ([]filesystem.MountPoint, error) {
	return filesystem.Mounts(ctx, under)
}

func (kernelFS) Format(ctx context.Context, device string, t filesystem.Type, args []string) error {
	return filesystem.Format(ctx, device, t, args)
}

func (kernelFS) PrepareBase(ctx context.Context, device string, t filesystem.Type, uid, gid int) error {
	return filesystem.PrepareBase(ctx, device, t, uid, gid)
}

func (kernelFS) Probe(device string) (filesystem.Type, error) { return filesystem.Probe(device) }

func (kernelFS) UUID(ctx context.Context, device string) (string, error) {
	return filesystem.UUID(ctx, device)
}

func (kernelFS) Grow(ctx context.Context, device, dir string, t filesystem.Type) error {
	return filesystem.Grow(ctx, device, dir, t)
}

func (kernelFS) Shrink(ctx context.Context, device string, t filesystem.Type, size int64) error {
	return filesystem.Shrink(ctx, device, t, size)
}

func (kernelFS) LimitTree(ctx context.Context, device, dir string, bytes int64) error {
	return filesystem.LimitTree(ctx, device, dir, bytes)
}

func (kernelFS) SetNoSpaceRetries(device string, retries uint) error {
	return filesystem.SetNoSpaceRetries(device, int(retries))
}

func (kernelFS) CheckFilesystem(ctx context.Context, device string, t filesystem.Type) ([]string, error) {
	return filesystem.Check(ctx, device, t)
}

// trimmer finds free space in filesystems and in the pool.
type trimmer struct{ *thinpool.Pool }

func (trimmer) Trim(ctx context.Context, dir string) (int64, error) {
	return filesystem.Trim(ctx, dir)
}

// archive is package diff's tar reading and writing. What is unpacked is indexed
// for the comparisons to come.
type archive struct{}

func (archive) WriteChanges(ctx context.Context, w io.Writer, dir string, changes []diff.Change, ids user.IdentityMapping) error {
	return diff.WriteChanges(ctx, w, dir, changes, ids)
}

func (archive) WriteAll(ctx context.Context, w io.Writer, dir string, ids user.IdentityMapping) error {
	return diff.WriteAll(ctx, w, dir, ids)
}

func (archive) Apply(ctx context.Context, dir string, tar io.Reader, ids user.IdentityMapping) (diff.Unpacked, error) {
	var names []nameindex.Entry
	unpacked, err := diff.ApplyNoting(ctx, dir, tar, ids, func(inode uint64, name string) {
		names = append(names, nameindex.Entry{Inode: inode, Name: name})
	})
	if err != nil {
		return diff.Unpacked{}, err
	}
	if err := nameindex.Write(dir, names); err != nil {
		// The layer is whole. Comparisons with it take longer.
		logrus.WithError(err).WithField("layer", dir).Warn("the names in a layer could not be indexed")
	}
	return unpacked, nil
}

func (archive) Size(ctx context.Context, dir string, changes []diff.Change) (int64, error) {
	return diff.Size(ctx, dir, changes)
}
