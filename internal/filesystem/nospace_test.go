//go:build roottest

package filesystem

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNoSpaceRetriesReachTheKernel(t *testing.T) {
	device := formatted(t, XFS, 512*mib)
	mounted(t, device, XFS, MountOptions{})
	for n, want := range map[int]string{0: "0", 7: "7", -1: "-1"} {
		if err := SetNoSpaceRetries(device, n); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("/sys/fs/xfs", filepath.Base(device), "error/metadata/ENOSPC/max_retries")
		if got, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("max_retries = %q, %v; want %s", got, err, want)
		}
	}
}

func TestNoSpaceRetriesOfWhatIsNoMountedXFS(t *testing.T) {
	device := formatted(t, XFS, 512*mib)
	if err := SetNoSpaceRetries(device, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want not-exist", err)
	}
	if err := SetNoSpaceRetries("/dev/null", 0); err == nil || !strings.Contains(err.Error(), "not a block device") {
		t.Errorf("error = %v", err)
	}
}
