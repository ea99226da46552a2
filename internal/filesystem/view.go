package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

// UnmountView undoes one MountView of the device-mapper device of that name.
// Nothing mounted is a success; anything else that is mounted stays.
func UnmountView(ctx context.Context, name, dir string) error {
	return unmountView(ctx, "/sys", name, dir)
}

func unmountView(ctx context.Context, sys, name, dir string) error {
	m, err := mountOn(dir)
	if errors.Is(err, errNotMounted) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := os.ReadFile(filepath.Join(sys, fmt.Sprintf("dev/block/%d:%d/dm/name", m.Major, m.Minor)))
	if err != nil || strings.TrimSpace(string(found)) != name {
		return &MountError{Op: "unmount", Device: m.Source, Dir: dir, Err: ErrOtherMount}
	}
	_, err = unmountTop(ctx, dir)
	return unmountError(dir, err)
}
