package filesystem

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// SetNoSpaceRetries sets how often a mounted xfs repeats a metadata write that
// failed for lack of space before it shuts down; -1 means for ever, which is
// the kernel's default, and hangs whoever waits for the filesystem when a thin
// pool is full. The setting lasts until the unmount.
func SetNoSpaceRetries(device string, n int) error {
	name := kernelName(device)
	if name == "" {
		return fmt.Errorf("set xfs no-space retries of %s: not a block device", device)
	}
	path := filepath.Join("/sys/fs/xfs", name, "error/metadata/ENOSPC/max_retries")
	if err := os.WriteFile(path, []byte(strconv.Itoa(n)), 0); err != nil {
		return fmt.Errorf("set xfs no-space retries of %s to %d: %w", device, n, err)
	}
	return nil
}
