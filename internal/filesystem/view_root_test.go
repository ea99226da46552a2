//go:build roottest

package filesystem

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// TestAViewIsUnmountedAndNothingElse has a loop device play the layer's, on top
// of somebody else's mount.
func TestAViewIsUnmountedAndNothingElse(t *testing.T) {
	device := looptest.Image(t, 300*mib).Path
	if err := Format(t.Context(), device, Ext4, nil); err != nil {
		t.Fatal(err)
	}
	dir, sys := t.TempDir(), t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	if err := MountView(t.Context(), device, dir, Ext4, false); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(device, &stat); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(sys, fmt.Sprintf("dev/block/%d:%d/dm/name", unix.Major(stat.Rdev), unix.Minor(stat.Rdev)))
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("layer\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	requireOnTop := func(source string) {
		t.Helper()
		if m, err := mountOn(dir); err != nil || m.Source != source {
			t.Errorf("on top is %+v, %v; want %s", m, err, source)
		}
	}
	if err := unmountView(t.Context(), sys, "another", dir); !errors.Is(err, ErrOtherMount) {
		t.Errorf("another layer's: %v", err)
	}
	requireOnTop(device)
	if err := unmountView(t.Context(), sys, "layer", dir); err != nil {
		t.Error(err)
	}
	requireOnTop("tmpfs")
	if err := unmountView(t.Context(), sys, "layer", dir); !errors.Is(err, ErrOtherMount) {
		t.Errorf("somebody's: %v", err)
	}
	requireOnTop("tmpfs")
	if err := UnmountView(t.Context(), "layer", t.TempDir()); err != nil {
		t.Errorf("nothing mounted: %v", err)
	}
}
