//go:build roottest

package filesystem

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGrowErrorsNameFilesystemAndDevice(t *testing.T) {
	device := formatted(t, Ext4, 64*mib)
	dir := mounted(t, device, Ext4, MountOptions{})
	if err := Grow(t.Context(), device, dir, "btrfs"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error = %v, want ErrUnsupported", err)
	}
	if err := Grow(t.Context(), "/dev/no-such-device", dir, Ext4); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want not-exist", err)
	}
	if err := Grow(t.Context(), device, dir, XFS); err == nil {
		t.Error("an ext4 filesystem was grown as xfs")
	}
}

func TestGrowWithoutTheCapabilitySaysWhich(t *testing.T) {
	err := growError(Ext4, unix.EPERM)
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_SYS_RESOURCE") {
		t.Errorf("error = %v, want EPERM naming CAP_SYS_RESOURCE", err)
	}
}
