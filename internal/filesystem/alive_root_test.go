//go:build roottest

package filesystem

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// goingDown is EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, _IOR('X', 125, __u32).
const goingDown = 0x8004587d

// withoutLog loses what is in the journal's memory, as a disk that fails does.
const withoutLog = 2

// TestAFilesystemThatStoppedIsNotAlive has it stop with a file that no disk has,
// which Sync may call a success.
func TestAFilesystemThatStoppedIsNotAlive(t *testing.T) {
	for _, kind := range []Type{Ext4, XFS} {
		t.Run(string(kind), func(t *testing.T) {
			device := looptest.Image(t, 300*mib).Path
			if err := Format(t.Context(), device, kind, nil); err != nil {
				t.Fatal(err)
			}
			dir := mounted(t, device, kind, MountOptions{})
			if err := Alive(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			stop(t, dir)
			t.Logf("sync says %v", Sync(dir))
			if err := Alive(dir); err == nil {
				t.Error("it is called alive")
			}
		})
	}
}

func stop(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), goingDown, withoutLog); err != nil {
		t.Fatal(err)
	}
}
