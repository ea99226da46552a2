//go:build roottest || dmtest

package filesystem

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// growAndCheck grows a 1 GiB filesystem to 20 GiB under a file.
func growAndCheck(t *testing.T, kind Type) {
	t.Helper()
	d := looptest.Image(t, 1*gib)
	if err := Format(t.Context(), d.Path, kind, nil); err != nil {
		t.Fatal(err)
	}
	dir := mounted(t, d.Path, kind, MountOptions{})
	write(t, filepath.Join(dir, "file"), "kept")
	if err := Grow(t.Context(), d.Path, dir, kind); err != nil {
		t.Errorf("growing a filesystem that fills its device: %v", err)
	}
	if err := os.Truncate(backingFile(t, d.Path), 20*gib); err != nil {
		t.Fatal(err)
	}
	if err := d.SetCapacity(); err != nil {
		t.Fatal(err)
	}
	if err := Grow(t.Context(), d.Path, dir, kind); err != nil {
		t.Fatal(err)
	}
	if total, free := statfs(t, dir); total < 19*gib || free < 18*gib {
		t.Errorf("after growing to 20 GiB: total %d, free %d", total, free)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != "kept" {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

func TestGrowFillsTheDeviceWhileMountedXFS(t *testing.T) { growAndCheck(t, XFS) }
