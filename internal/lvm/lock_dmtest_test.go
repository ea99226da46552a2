//go:build dmtest

package lvm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

// TestALockOfAnotherCommandsIsNotWaitedForLongerThanAllowed holds the lock of a
// volume group as a command that hangs does.
//
//vm:once
func TestALockOfAnotherCommandsIsNotWaitedForLongerThanAllowed(t *testing.T) {
	const vg = "dmthintestlock"
	l := New(Config{Dir: filepath.Join(t.TempDir(), "lvm")})
	dmtest.Run(t, "vgcreate", vg, dmtest.Loop(t, 32<<20))
	t.Cleanup(func() { dmtest.Run(t, "vgremove", "--force", "--yes", vg) })
	release := holdLock(t, vg)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	begin := time.Now()
	err := l.Run(ctx, CreateLVOfSize(vg, "a", 8<<20))
	if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "lslocks") {
		t.Errorf("with the group locked: %v", err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it was waited for %s", took)
	}
	release()
	if err := l.Run(t.Context(), CreateLVOfSize(vg, "a", 8<<20)); err != nil {
		t.Errorf("with the lock free again: %v", err)
	}
}

func holdLock(t *testing.T, vg string) (release func()) {
	t.Helper()
	f, err := os.OpenFile("/run/lock/lvm/V_"+vg, os.O_RDWR|os.O_CREATE, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
