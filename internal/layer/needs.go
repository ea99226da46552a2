package layer

import (
	"context"
	"io"

	"github.com/moby/sys/user"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// Pool changes and reports the thin pool.
type Pool interface {
	Status(ctx context.Context) (thinpool.Status, error)
	CreateThin(ctx context.Context, id thinpool.DeviceID) error
	CreateSnapshot(ctx context.Context, id, origin thinpool.DeviceID) error
	Delete(ctx context.Context, id thinpool.DeviceID) error
	SetTransactionID(ctx context.Context, from, to uint64) error
}

// Devices makes thin devices appear and disappear.
type Devices interface {
	Activate(ctx context.Context, t thinpool.Thin, sync bool) (thinpool.Device, error)
	Deactivate(ctx context.Context, name string) error
	DeactivateDeferred(ctx context.Context, name string) error
	Rename(ctx context.Context, from, to string) error
	// Discard gives all blocks of an active device back. d is its node.
	Discard(ctx context.Context, t thinpool.Thin, d thinpool.Device) error
}

// Freezer holds an active device still, its filesystem flushed and frozen,
// while a snapshot of it is taken.
type Freezer interface {
	Lookup(ctx context.Context, name string) (thinpool.Info, error)
	Suspend(ctx context.Context, name string) error
	Resume(ctx context.Context, name string) error
}

// Inventory lists what exists, whatever the records say.
type Inventory interface {
	// Existing returns every device ID in the pool with the transaction ID
	// that was current when it was made.
	Existing(ctx context.Context) (map[thinpool.DeviceID]uint64, error)
	// Active returns the active thin devices of this pool.
	Active(ctx context.Context) ([]thinpool.Info, error)
	Mapped(ctx context.Context, name string) (sectors uint64, err error)
}

// Metadata is the pool's own metadata, which one reads at a time.
type Metadata interface {
	// Turn waits for other readers, and keeps them out until done. It comes before
	// all locks: who reads takes those of layers too.
	Turn(ctx context.Context) (done func(), err error)
	// Hold keeps the metadata readable as it is now, at path, until release. It is
	// for whoever has the turn.
	Hold(ctx context.Context) (path string, release func(context.Context) error, err error)
}

// Mounter mounts layers.
type Mounter interface {
	Mount(ctx context.Context, device, dir string, t filesystem.Type, o filesystem.MountOptions) error
	MakeWritable(ctx context.Context, dir string) error
	Unmount(ctx context.Context, dir string) (detached bool, err error)
	// Detach frees dir at once; Close does what takes time about an unmount.
	// fs.ErrNotExist: nothing is mounted.
	Detach(dir string) (io.Closer, error)
	Sync(dir string) error
	// Alive returns why the filesystem mounted at dir has stopped, where it has:
	// nothing that was synced since is on disk.
	Alive(dir string) error
	Mounts(ctx context.Context, under string) ([]filesystem.MountPoint, error)
}

// Formatter makes and recognises filesystems.
type Formatter interface {
	Format(ctx context.Context, device string, t filesystem.Type, args []string) error
	PrepareBase(ctx context.Context, device string, t filesystem.Type, uid, gid int) error
	Probe(device string) (filesystem.Type, error)
	UUID(ctx context.Context, device string) (string, error)
}

// Resizer changes how much a layer's filesystem can hold.
type Resizer interface {
	Grow(ctx context.Context, device, dir string, t filesystem.Type) error
	Shrink(ctx context.Context, device string, t filesystem.Type, size int64) error
	LimitTree(ctx context.Context, device, dir string, bytes int64) error
	SetNoSpaceRetries(device string, retries uint) error
}

// Trimmer finds space that nobody uses.
type Trimmer interface {
	// Trim discards what is free in the filesystem mounted at dir and returns
	// how many bytes that is.
	Trim(ctx context.Context, dir string) (int64, error)
	// Allocate makes the pool give an active device all its blocks. What it
	// writes is of no meaning.
	Allocate(ctx context.Context, d thinpool.Device, size int64) error
}

// FilesystemChecker looks for damage without changing anything.
type FilesystemChecker interface {
	// CheckFilesystem returns what is wrong, one line each.
	CheckFilesystem(ctx context.Context, device string, t filesystem.Type) (damage []string, err error)
}

// Side is one of the two layers that a Differ compares. It names the thin
// device as well as the mounted folder, for differs that look below the
// filesystem.
type Side struct {
	Dir    string
	Device thinpool.DeviceID
}

// Still calls look while the devices of both layers hold all that their files
// show. Nobody can write to them or mount them meanwhile, so look must be short.
type Still func(ctx context.Context, look func() error) error

// Differ finds what changed between two mounted layers. All implementations
// return the same for the same layers. Without a parent there is no Still.
type Differ interface {
	Changes(ctx context.Context, layer, parent Side, still Still) ([]diff.Change, error)
}

// Archiver turns layers into tar streams and back.
type Archiver interface {
	WriteChanges(ctx context.Context, w io.Writer, dir string, changes []diff.Change, ids user.IdentityMapping) error
	WriteAll(ctx context.Context, w io.Writer, dir string, ids user.IdentityMapping) error
	Apply(ctx context.Context, dir string, tar io.Reader, ids user.IdentityMapping) (diff.Unpacked, error)
	Size(ctx context.Context, dir string, changes []diff.Change) (int64, error)
}

// System is everything a Store stands on.
type System struct {
	Pool      Pool
	Devices   Devices
	Freezer   Freezer
	Inventory Inventory
	Mounter   Mounter
	Formatter Formatter
	Resizer   Resizer
	Differ    Differ
	Archiver  Archiver
	Metadata  Metadata
	Trimmer   Trimmer
	Checker   FilesystemChecker
}
