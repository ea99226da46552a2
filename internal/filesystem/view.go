package filesystem

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// MountView mounts a device a second time, in the way its first mount allows:
// the kernel refuses a mount for reading only of what is mounted for writing.
// Such a view can't be written through all the same unless write is set.
func MountView(ctx context.Context, device, dir string, t Type, write bool) error {
	err := Mount(ctx, device, dir, t, MountOptions{ReadOnly: !write})
	if write || !errors.Is(err, unix.EBUSY) {
		return err
	}
	if err := Mount(ctx, device, dir, t, MountOptions{}); err != nil {
		return err
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		_, unmountErr := Unmount(ctx, dir)
		return errors.Join(&MountError{Op: "remount", Device: device, Dir: dir, Err: err}, unmountErr)
	}
	return nil
}
