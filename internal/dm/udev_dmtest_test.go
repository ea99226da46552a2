//go:build dmtest

package dm_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func symlinkExists(name string) bool {
	_, err := os.Lstat("/dev/mapper/" + name)
	return err == nil
}

func semaphores(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/sem")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func TestWaitForUdevBringsAndTakesTheSymlink(t *testing.T) {
	if !dm.UdevSyncSupported() {
		t.Fatal("udevd does not run here")
	}
	settleUdev(t)
	before := semaphores(t)
	dev := dm.ID{Name: "dmtest-symlink", UUID: "DMTEST-symlink"}
	defer removeIfThere(t, dev)
	for range 5 {
		if _, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{Udev: dm.UdevWait{Wait: true}}); err != nil {
			t.Fatal(err)
		}
		if !symlinkExists(dev.Name) {
			t.Error("no symlink after create")
		}
		if err := dm.Remove(t.Context(), dev, dm.RemoveOptions{Udev: dm.UdevWait{Wait: true}}); err != nil {
			t.Fatal(err)
		}
		if symlinkExists(dev.Name) {
			t.Error("the symlink is left after remove")
		}
	}
	if after := semaphores(t); after != before {
		t.Errorf("%d semaphores, %d before", after, before)
	}
}

// settleUdev waits until udevd is through with what other tests gave it to do.
// On a busy host an emulated machine needs longer than the two minutes that
// udevadm waits by itself.
func settleUdev(t *testing.T) {
	t.Helper()
	dmtest.Run(t, "udevadm", "settle", "--timeout=600")
}

// stopUdev makes udevd queue events until the test ends.
func stopUdev(t *testing.T) {
	t.Helper()
	settleUdev(t)
	dmtest.Run(t, "udevadm", "control", "--stop-exec-queue")
	t.Cleanup(func() {
		dmtest.Run(t, "udevadm", "control", "--start-exec-queue")
		settleUdev(t)
	})
}

func TestUdevThatHangsIsNotWaitedForWithoutLimit(t *testing.T) {
	stopUdev(t)
	before := semaphores(t)
	dev := dm.ID{Name: "dmtest-hang", UUID: "DMTEST-hang"}
	defer removeIfThere(t, dev)

	start := time.Now()
	info, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{Udev: dm.UdevWait{Wait: true}})
	if !errors.Is(err, dm.ErrUdevTimeout) || !info.Exists {
		t.Errorf("create: got %+v, %v", info, err)
	}
	if took := time.Since(start); took < 9*time.Second || took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := dm.Remove(ctx, dev, dm.RemoveOptions{Udev: dm.UdevWait{Wait: true}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("remove: got %v", err)
	}
	if lookup(t, dev.Name).Exists {
		t.Error("the device was not removed")
	}
	if after := semaphores(t); after != before {
		t.Errorf("%d semaphores, %d before", after, before)
	}
}

func TestHotPathDoesNotNeedUdev(t *testing.T) {
	stopUdev(t)
	start := time.Now()
	for range 10 {
		dev := dm.ID{Name: "dmtest-hot", UUID: "DMTEST-hot"}
		info, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := info.CheckNode(); err != nil {
			t.Error(err)
		}
		if err := dm.Remove(t.Context(), dev, dm.RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
