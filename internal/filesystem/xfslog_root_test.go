//go:build roottest

package filesystem

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// TestAnXFSIsCleanOnceItIsUnmounted writes so much that the log goes round, once
// with records as they are on a disk, and once with those of a thin device:
// filled up to a stripe unit.
func TestAnXFSIsCleanOnceItIsUnmounted(t *testing.T) {
	for _, log := range []string{"-lsize=6m", "-lsize=8m,su=64k"} {
		t.Run(log, func(t *testing.T) { unmountRounds(t, log) })
	}
}

func unmountRounds(t *testing.T, log string) {
	t.Helper()
	// By these mkfs.xfs knows a test, and makes a log that is soon full.
	for _, name := range []string{"TEST_DIR", "TEST_DEV", "QA_CHECK_FS"} {
		t.Setenv(name, "1")
	}
	device := looptest.Image(t, 300*mib).Path
	if err := Format(t.Context(), device, XFS, []string{log}); err != nil {
		t.Fatal(err)
	}
	requireLog(t, "new", device, true)
	dir := t.TempDir()
	for round := range 12 {
		if err := unix.Mount(device, dir, "xfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		for n := range 1 + 300*round {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%d", round, n)), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command("sync", "-f", dir).CombinedOutput(); err != nil {
			t.Fatalf("sync: %v: %s", err, out)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if out, err := exec.Command("dd", "if="+device, "of="+copied, "bs=1M", "iflag=direct", "conv=sparse").CombinedOutput(); err != nil {
			t.Fatalf("dd: %v: %s", err, out)
		}
		requireLog(t, fmt.Sprintf("mounted, round %d", round), copied, false)
		if err := os.Remove(copied); err != nil {
			t.Fatal(err)
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Fatal(err)
		}
		requireLog(t, fmt.Sprintf("unmounted, round %d", round), device, true)
	}
	if rounds := logRounds(t, device); rounds < 2 {
		t.Errorf("the log went round %d times: write more", rounds)
	}
}

func logRounds(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	super, err := readSuperblock(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newXFSLog(f, super)
	if err != nil {
		t.Fatal(err)
	}
	cycle, err := l.cycle(0)
	if err != nil {
		t.Fatal(err)
	}
	return int(cycle)
}

func requireLog(t *testing.T, what, path string, want bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if clean, err := XFSLogClean(f); clean != want || err != nil {
		t.Errorf("%s: clean is %t, %v", what, clean, err)
	}
}
