package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// PrepareBase gives a freshly made filesystem the content that every layer
// starts from: a root directory without lost+found, with an empty directory
// rootfs (0755) and a file id. Directories belong to the given owner, which is
// the user namespace's root. The filesystem is unmounted and on disk when it
// returns.
func PrepareBase(ctx context.Context, device string, t Type, rootUID, rootGID int) (err error) {
	dir, err := os.MkdirTemp("", "dmthin-base-")
	if err != nil {
		return fmt.Errorf("prepare base filesystem: %w", err)
	}
	defer func() { _ = os.Remove(dir) }() // fails, rightly, while it is mounted
	if err := Mount(ctx, device, dir, t, MountOptions{}); err != nil {
		return fmt.Errorf("prepare base filesystem: %w", err)
	}
	defer func() {
		// Not the caller's context: a cancelled one must not leave the mount.
		_, unmountErr := Unmount(context.WithoutCancel(ctx), dir)
		err = firstError(err, unmountErr)
	}()
	if err := fillBase(dir, rootUID, rootGID); err != nil {
		return fmt.Errorf("prepare base filesystem on %s: %w", device, err)
	}
	return Sync(dir)
}

func fillBase(dir string, uid, gid int) error {
	if err := os.Remove(filepath.Join(dir, "lost+found")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		return err
	}
	for _, d := range []string{dir, rootfs} {
		// Mkdir's mode is subject to the umask.
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
		if err := os.Chown(d, uid, gid); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "id"), []byte("base"), 0o600)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
