//go:build roottest || dmtest

package filesystem

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMain(m *testing.M) { os.Exit(looptest.Main(m)) }

var types = []Type{Ext4, XFS}

// formatted returns a device with a filesystem.
func formatted(t *testing.T, kind Type, size int64) string {
	t.Helper()
	d := looptest.Image(t, size)
	if err := Format(t.Context(), d.Path, kind, nil); err != nil {
		t.Fatal(err)
	}
	return d.Path
}

// mounted mounts the device for the rest of the test.
func mounted(t *testing.T, device string, kind Type, o MountOptions) string {
	t.Helper()
	dir := t.TempDir()
	if err := Mount(t.Context(), device, dir, kind, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// unmount fails the test when somebody still uses the mount.
func unmount(t *testing.T, dir string) {
	t.Helper()
	// Cleanups run after t.Context() is cancelled.
	if detached, err := Unmount(context.Background(), dir); err != nil || detached {
		t.Errorf("Unmount(%s) = %v, %v", dir, detached, err)
	}
}

// mountLine returns the fields of the mount on dir in /proc/mounts.
func mountLine(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); fields[1] == dir {
			found = fields
		}
	}
	return found
}

func hasOption(t *testing.T, dir, option string) bool {
	t.Helper()
	line := mountLine(t, dir)
	if line == nil {
		t.Fatalf("%s is not mounted", dir)
	}
	for word := range strings.SplitSeq(line[3], ",") {
		if word == option {
			return true
		}
	}
	return false
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fill writes to a new file until an error, and returns what fitted.
func fill(t *testing.T, dir string) (int64, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	var total int64
	for {
		n, err := f.Write(chunk)
		total += int64(n)
		if err == nil && total%(8*mib) == 0 {
			err = f.Sync()
		}
		if err != nil {
			return total, err
		}
	}
}

func statfs(t *testing.T, dir string) (total, free int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks) * st.Bsize, int64(st.Bavail) * st.Bsize
}

// backingFile is the file behind a loop device.
func backingFile(t *testing.T, device string) string {
	t.Helper()
	name, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "loop/backing_file"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// copyOf returns a device with the same bytes, as a snapshot would have them.
func copyOf(t *testing.T, device string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "--sparse=always", backingFile(t, device), path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return looptest.AttachFile(t, path).Path
}
