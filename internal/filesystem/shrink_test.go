//go:build roottest

package filesystem

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withContent puts files of the given total size into a 10 GiB ext4, and
// returns the device, unmounted.
func withContent(t *testing.T, size int) string {
	t.Helper()
	device := formatted(t, Ext4, 10*gib)
	if err := PrepareBase(t.Context(), device, Ext4, 0, 0); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Mount(t.Context(), device, dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "rootfs/content"), strings.Repeat("content!", size/8))
	if err := os.Symlink("content", filepath.Join(dir, "rootfs/link")); err != nil {
		t.Fatal(err)
	}
	unmount(t, dir)
	return device
}

func checkContent(t *testing.T, dir string, size int) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, "rootfs/link"))
	if err != nil || string(got) != strings.Repeat("content!", size/8) {
		t.Errorf("content: %d bytes, %v; want the %d written", len(got), err, size)
	}
}

// fsck fails the test when the filesystem is not clean.
func fsck(t *testing.T, device string) {
	t.Helper()
	if out, err := exec.Command("e2fsck", "-fn", device).CombinedOutput(); err != nil {
		t.Errorf("e2fsck %s: %v\n%s", device, err, out)
	}
}

func TestShrunkFilesystemKeepsItsContentAndEndsAtItsSize(t *testing.T) {
	const size = 50 * mib
	for name, content := range map[string]int{"empty": 8, "with 30 MiB": 30 * mib} {
		t.Run(name, func(t *testing.T) {
			device := withContent(t, content)
			if err := Shrink(t.Context(), device, Ext4, size); err != nil {
				t.Fatal(err)
			}
			fsck(t, device)
			g, err := readExtGeometry(device)
			if err != nil || g.blocks*g.blockSize != size || g.journal <= 0 || g.journal > size/8 {
				t.Errorf("geometry = %+v, %v; want %d bytes and a small journal", g, err, size)
			}
			dir := mounted(t, device, Ext4, MountOptions{})
			checkContent(t, dir, content)
			if _, err := os.Stat(filepath.Join(dir, "lost+found")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("lost+found: %v, want none", err)
			}
			wrote, err := fill(t, filepath.Join(dir, "rootfs"))
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("after %d bytes: %v, want ENOSPC", wrote, err)
			}
			if least := int64(36*mib - content); wrote < least || wrote > size {
				t.Errorf("%d bytes could be written, want at least %d and no more than %d", wrote, least, size)
			}
		})
	}
}

func TestShrinkingALittleKeepsTheJournal(t *testing.T) {
	device := withContent(t, mib)
	if err := Shrink(t.Context(), device, Ext4, 5*gib); err != nil {
		t.Fatal(err)
	}
	fsck(t, device)
	if g, err := readExtGeometry(device); err != nil || g.journal != 64*mib || g.blocks*g.blockSize != 5*gib {
		t.Errorf("geometry = %+v, %v; want 5 GiB with the journal as it was", g, err)
	}
	checkContent(t, mounted(t, device, Ext4, MountOptions{}), mib)
}

func TestShrinkRefusesWhatDoesNotFitAndLosesNothing(t *testing.T) {
	for name, content := range map[string]int{"obviously": 60 * mib, "for the filesystem's own needs": 46 * mib} {
		t.Run(name, func(t *testing.T) {
			device := withContent(t, content)
			err := Shrink(t.Context(), device, Ext4, 50*mib)
			var small *TooSmallError
			if !errors.Is(err, ErrTooSmall) || !errors.As(err, &small) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error = %v, want ErrTooSmall in one line", err)
			}
			if small.Used < int64(content) || small.Used > int64(content)+3*mib || small.Size != 50*mib {
				t.Errorf("Used = %d, Size = %d; want about %d and %d", small.Used, small.Size, content, 50*mib)
			}
			fsck(t, device)
			checkContent(t, mounted(t, device, Ext4, MountOptions{}), content)
		})
	}
}

func TestShrinkToTinySizesIsRefused(t *testing.T) {
	device := withContent(t, 8)
	for _, size := range []int64{0, 1, 4096, mib} {
		if err := Shrink(t.Context(), device, Ext4, size); !errors.Is(err, ErrTooSmall) {
			t.Errorf("%d bytes: error = %v, want ErrTooSmall", size, err)
		}
	}
	fsck(t, device)
}

func TestShrinkToALargerSizeChangesNothing(t *testing.T) {
	device := withContent(t, mib)
	for _, size := range []int64{10 * gib, 20 * gib} {
		if err := Shrink(t.Context(), device, Ext4, size); err != nil {
			t.Error(err)
		}
	}
	if g, err := readExtGeometry(device); err != nil || g.blocks*g.blockSize != 10*gib {
		t.Errorf("geometry = %+v, %v", g, err)
	}
}

func TestShrinkReplaysADirtyJournal(t *testing.T) {
	device := withContent(t, mib)
	dir := mounted(t, device, Ext4, MountOptions{})
	write(t, filepath.Join(dir, "rootfs/late"), "late")
	if err := Sync(dir); err != nil {
		t.Fatal(err)
	}
	dirty := copyOf(t, device) // as a power cut would leave it
	if err := Shrink(t.Context(), dirty, Ext4, 100*mib); err != nil {
		t.Fatal(err)
	}
	copied := mounted(t, dirty, Ext4, MountOptions{})
	checkContent(t, copied, mib)
	if got, err := os.ReadFile(filepath.Join(copied, "rootfs/late")); err != nil || string(got) != "late" {
		t.Errorf("what was synced last: %q, %v", got, err)
	}
}

func TestShrinkOfAMountedFilesystemIsRefused(t *testing.T) {
	device := formatted(t, Ext4, 512*mib)
	mounted(t, device, Ext4, MountOptions{})
	if err := Shrink(t.Context(), device, Ext4, 100*mib); !errors.Is(err, unix.EBUSY) {
		t.Errorf("error = %v, want EBUSY", err)
	}
}

func TestShrinkOfXFSIsRefused(t *testing.T) {
	device := formatted(t, XFS, 512*mib)
	if err := Shrink(t.Context(), device, XFS, 400*mib); !errors.Is(err, ErrCannotShrink) {
		t.Errorf("error = %v, want ErrCannotShrink", err)
	}
}

func TestShrinkStopsWhenCancelled(t *testing.T) {
	device := formatted(t, Ext4, 512*mib)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Shrink(ctx, device, Ext4, 100*mib); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
