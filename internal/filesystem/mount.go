package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A umount meets EBUSY for a moment when somebody just looked at the mount;
	// what stays longer is somebody who lives in it.
	busyAttempts = 5
	busyPause    = 20 * time.Millisecond
)

// Mount mounts the device on an existing directory. Errors are *MountError
// with what the kernel logged, or ErrMountOption.
func Mount(ctx context.Context, device, dir string, t Type, o MountOptions) error {
	flags, data, err := mountArguments(t, o)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := markKernelLog()
	defer log.close()
	if err := unix.Mount(device, dir, string(t), flags, data); err != nil {
		return &MountError{Op: "mount", Device: device, Dir: dir, Err: err, Kernel: log.last(device, t)}
	}
	return nil
}

// MakeWritable turns the read-only mount on dir into a writable one and keeps
// its other options. A mount with NoReplay is refused with ErrNoReplay: ext4
// would run without its journal.
//
// A mount is writable where it and its filesystem both are, and a change of a
// mount's flag does not reach its copies in other namespaces: dockerd has one of
// every mount of the managed plugin. So a writable mount of the same is put on
// top, which does propagate.
func MakeWritable(ctx context.Context, dir string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m, err := mountOn(dir)
	if err != nil {
		return err
	}
	var flags uintptr
	for _, word := range append(splitOptions(m.VFSOptions), splitOptions(m.Options)...) {
		if word == "norecovery" || word == "noload" {
			return &MountError{Op: "remount", Device: m.Source, Dir: dir, Err: ErrNoReplay}
		}
		flags |= genericOptions[word].set
	}
	flags &^= unix.MS_RDONLY
	log := markKernelLog()
	defer log.close()
	if err := unix.Mount("", dir, "", flags|unix.MS_REMOUNT, ""); err != nil {
		return &MountError{Op: "remount", Device: m.Source, Dir: dir, Err: err, Kernel: log.last(m.Source, Type(m.FSType))}
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return &MountError{Op: "bind", Device: m.Source, Dir: dir, Err: err}
	}
	return nil
}

// Unmount unmounts all that is on dir. When it is in use for longer than a moment
// it is detached instead: gone from dir, but the device stays busy until the
// last user leaves. Nothing mounted, or no such directory, is a success.
func Unmount(ctx context.Context, dir string) (detached bool, err error) {
	for range maxStacked {
		var lazy bool
		lazy, err = unmountTop(ctx, dir)
		detached = detached || lazy
		if err != nil {
			break
		}
	}
	return detached, unmountError(dir, err)
}

// maxStacked bounds how many mounts on one directory are taken away, with the
// last try, that finds nothing: MakeWritable makes them two.
const maxStacked = 16

func unmountTop(ctx context.Context, dir string) (detached bool, err error) {
	for attempt := range busyAttempts {
		err = unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
		if !errors.Is(err, unix.EBUSY) {
			return false, err
		}
		if attempt == busyAttempts-1 {
			break
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(busyPause):
		}
	}
	err = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	return err == nil, err
}

func unmountError(dir string, err error) error {
	// EINVAL is the kernel's word for "not a mount point".
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return &MountError{Op: "unmount", Dir: dir, Err: err}
}

// Alive returns why the filesystem holding dir has stopped, as one does whose
// journal could not be written, and nil for one at work. Sync does not tell:
// before Linux 6.16 it succeeds on ext4 that has stopped, with nothing written.
func Alive(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("look at the filesystem of %s: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("the filesystem of %s has stopped; the kernel's log says why: %w", dir, err)
	}
	return nil
}

// Sync writes everything that the filesystem holding dir has in memory.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync filesystem of %s: %w", dir, err)
	}
	return nil
}
