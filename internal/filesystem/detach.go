package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Detached is a filesystem that is mounted nowhere any more.
type Detached struct{ root *os.File }

// Close lets the kernel write back and end the filesystem, which takes as long
// as an unmount, unless somebody else still has it open.
func (d Detached) Close() error { return d.root.Close() }

// Detach frees dir of what is mounted on it and leaves the work of unmounting
// it to Close. What uses the filesystem goes on using it. Nothing mounted, or
// no such directory, is fs.ErrNotExist.
func Detach(dir string) (Detached, error) {
	// Such a descriptor can't read or write; all it does is to keep the mount.
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Detached{}, fmt.Errorf("detach %s: %w", dir, err)
	}
	root := os.NewFile(uintptr(fd), dir)
	err = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) { // the kernel's word for "not a mount point"
		err = fmt.Errorf("detach %s: nothing is mounted: %w", dir, fs.ErrNotExist)
		return Detached{}, errors.Join(err, root.Close())
	}
	for range maxStacked { // MakeWritable makes them two
		if err != nil {
			break
		}
		err = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	if err := unmountError(dir, err); err != nil {
		return Detached{}, errors.Join(err, root.Close())
	}
	return Detached{root}, nil
}
