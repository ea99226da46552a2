//go:build roottest

package filesystem

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// isBusy reports whether the kernel has a filesystem on a device: an exclusive open
// then fails.
func isBusy(t *testing.T, device string) bool {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	return false
}

// detach leaves nothing mounted on dir.
func detach(t *testing.T, dir string) io.Closer {
	t.Helper()
	detached, err := Detach(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mountLine(t, dir) != nil {
		t.Error("it is still mounted")
	}
	return detached
}

// closeDetached ends a filesystem that has its device in use until then.
func closeDetached(t *testing.T, detached io.Closer, device string) {
	t.Helper()
	if !isBusy(t, device) {
		t.Error("the filesystem is gone before Close")
	}
	if err := detached.Close(); err != nil {
		t.Fatal(err)
	}
	if isBusy(t, device) {
		t.Error("the device is busy after Close")
	}
}

func TestDetachFreesTheMountPointAndCloseTheDevice(t *testing.T) {
	dir, device := t.TempDir(), formatted(t, Ext4, 64*mib)
	if err := Mount(t.Context(), device, dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "file"), "kept")
	detached := detach(t, dir)
	if err := os.Remove(dir); err != nil {
		t.Errorf("the mount point can't be removed: %v", err)
	}
	closeDetached(t, detached, device)
	again := mounted(t, device, Ext4, MountOptions{})
	if content, err := os.ReadFile(filepath.Join(again, "file")); err != nil || string(content) != "kept" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}

// MakeWritable puts a second mount on top.
func TestDetachTakesAllMountsOfAFolder(t *testing.T) {
	dir, device := t.TempDir(), formatted(t, Ext4, 64*mib)
	if err := Mount(t.Context(), device, dir, Ext4, MountOptions{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	if err := MakeWritable(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	closeDetached(t, detach(t, dir), device)
}

func TestDetachOfNothingIsTold(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := Detach(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Detach(%s) = %v", path, err)
		}
	}
}
