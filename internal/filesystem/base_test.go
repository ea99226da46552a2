//go:build roottest

package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

func TestBaseHoldsRootfsAndIDAndNothingElse(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	for _, kind := range types {
		t.Run(string(kind), func(t *testing.T) {
			device := formatted(t, kind, 512*mib)
			if err := PrepareBase(t.Context(), device, kind, 1000, 2000); err != nil {
				t.Fatal(err)
			}
			dir := mounted(t, device, kind, MountOptions{ReadOnly: true})
			type entry struct {
				Mode     uint32
				UID, GID uint32
			}
			got := map[string]entry{}
			names := []string{"."}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			for _, name := range names {
				var st unix.Stat_t
				if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
					t.Fatal(err)
				}
				got[name] = entry{st.Mode, st.Uid, st.Gid}
			}
			want := map[string]entry{
				".":      {unix.S_IFDIR | 0o755, 1000, 2000},
				"rootfs": {unix.S_IFDIR | 0o755, 1000, 2000},
				"id":     {unix.S_IFREG | 0o600, 0, 0},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("base device (-want +got):\n%s", diff)
			}
			if id, err := os.ReadFile(filepath.Join(dir, "id")); err != nil || string(id) != "base" {
				t.Errorf("id = %q, %v", id, err)
			}
		})
	}
}

func TestPrepareBaseLeavesNoMountOnFailure(t *testing.T) {
	device := formatted(t, Ext4, 64*mib)
	if err := PrepareBase(t.Context(), device, Ext4, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := PrepareBase(t.Context(), device, Ext4, 0, 0); !errors.Is(err, os.ErrExist) {
		t.Errorf("preparing a prepared base: error = %v, want exists", err)
	}
	if left := looptest.Mounts(os.TempDir()); len(left) != 0 {
		t.Errorf("left mounted: %v", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := PrepareBase(ctx, device, Ext4, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
