//go:build dmtest

package thinpool_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

const prefix = "DMTEST-1-"

// handMade makes a pool as an operator would, without a UUID, and returns its
// name.
func handMade(t testing.TB, features string) string {
	t.Helper()
	const name = "dmtest-thinpool"
	data, metadata := dmtest.Loop(t, 8*mib), dmtest.Loop(t, 4*mib)
	dmtest.Run(t, "dmsetup", "create", name, "--table", fmt.Sprintf("0 16384 thin-pool %s %s 128 32 %s", metadata, data, features))
	t.Cleanup(func() { dmtest.Run(t, "dmsetup", "remove", "--retry", name) })
	return name
}

func adopt(t testing.TB, name string) *thinpool.Pool {
	t.Helper()
	pool, err := thinpool.Adopt(t.Context(), name, prefix, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, pool) })
	return pool
}

func TestPoolOfOthersIsUsedAndLeft(t *testing.T) {
	name := handMade(t, "1 skip_block_zeroing")
	pool := adopt(t, name)
	_, node := createActive(t, pool, 1)
	fill(t, node, 'x', mib)
	if got := status(t, pool); got.BlockSize != 64*kib || got.DataTotal != 128 {
		t.Errorf("got %+v", got)
	}
	adopt(t, name) // with our device active in it
	closeAll(t, pool)
	if info, err := dm.Lookup(dm.ID{Name: name}); err != nil || !info.LiveTable {
		t.Errorf("the pool is %+v, %v", info, err)
	}
}

// LVM may reload the pool while we use it.
func TestGrowthByTheOwnerOfAPoolIsSeenAndKept(t *testing.T) {
	name := handMade(t, "1 skip_block_zeroing")
	pool := adopt(t, name)
	table := poolTableLine(t, name)
	enlarge(t, loopOf(t, strings.Fields(table)[4]), 32*mib)
	dmtest.Run(t, "dmsetup", "load", name, "--table", strings.Replace(table, "0 16384", "0 65536", 1))
	dmtest.Run(t, "dmsetup", "resume", name)
	if grown, err := pool.Grow(t.Context()); grown || err != nil {
		t.Errorf("Grow: %v, %v", grown, err)
	}
	if err := pool.SetErrorIfNoSpace(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := status(t, pool); got.DataTotal != 512 || !got.ErrorIfNoSpace {
		t.Errorf("got %+v", got)
	}
}

// loopOf returns the loop device with a number.
func loopOf(t testing.TB, number string) string {
	t.Helper()
	for line := range strings.Lines(dmtest.Run(t, "losetup", "--noheadings", "--output", "MAJ:MIN,NAME")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == number {
			return f[1]
		}
	}
	t.Fatalf("no loop device has the number %s", number)
	return ""
}

func TestUnusablePoolsOfOthersAreRefused(t *testing.T) {
	t.Run("absent", func(t *testing.T) {
		_, err := thinpool.Adopt(t.Context(), "dmtest-none", prefix, quiet())
		wantError(t, err, thinpool.ErrNotActive)
	})
	t.Run("no pool", func(t *testing.T) {
		dmtest.Run(t, "dmsetup", "create", "dmtest-linear", "--table", "0 8 error")
		defer dmtest.Run(t, "dmsetup", "remove", "dmtest-linear")
		_, err := thinpool.Adopt(t.Context(), "dmtest-linear", prefix, quiet())
		wantError(t, err, thinpool.ErrForeign)
	})
	t.Run("read-only", func(t *testing.T) {
		name := handMade(t, "1 skip_block_zeroing")
		dmtest.Run(t, "dmsetup", "load", name, "--table", strings.Replace(poolTableLine(t, name), "1 skip", "2 read_only skip", 1))
		dmtest.Run(t, "dmsetup", "resume", name)
		_, err := thinpool.Adopt(t.Context(), name, prefix, quiet())
		wantError(t, err, thinpool.ErrReadOnly)
	})
	t.Run("in use", func(t *testing.T) {
		name := handMade(t, "1 skip_block_zeroing")
		dmtest.Run(t, "dmsetup", "message", name, "0", "create_thin 0")
		dmtest.Run(t, "dmsetup", "create", "dmtest-stranger", "--table", "0 2048 thin /dev/mapper/"+name+" 0")
		defer dmtest.Run(t, "dmsetup", "remove", "--retry", "dmtest-stranger")
		_, err := thinpool.Adopt(t.Context(), name, prefix, quiet())
		wantError(t, err, thinpool.ErrForeign)
		if err != nil && !strings.Contains(err.Error(), "dmtest-stranger") {
			t.Errorf("the other user is not named: %v", err)
		}
	})
}

// A process that died in SetErrorIfNoSpace leaves the pool suspended, and
// nobody else will ever resume it.
func TestAdoptedPoolLeftMidwayIsResumed(t *testing.T) {
	name := handMade(t, "1 skip_block_zeroing")
	dmtest.Run(t, "dmsetup", "load", name, "--table", poolTableLine(t, name))
	if err := dm.Suspend(dm.ID{Name: name}, dm.SuspendOptions{NoFlush: true}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	adopt(t, name)
	info, err := dm.Lookup(dm.ID{Name: name})
	if err != nil || info.InactiveTable || info.Suspended {
		t.Errorf("after %v: %+v, %v", time.Since(start), info, err)
	}
}

// LVM suspends the pool while it extends it. A container that starts then waits
// for a moment instead of failing.
func TestActivationWaitsWhileTheOwnerSuspendsThePool(t *testing.T) {
	name := handMade(t, "1 skip_block_zeroing")
	pool := adopt(t, name)
	create(t, pool, 1)
	device := thin(1)
	dmtest.Run(t, "dmsetup", "suspend", name)
	resumed := make(chan string, 1)
	go func() {
		time.Sleep(500 * time.Millisecond)
		out, err := exec.Command("dmsetup", "resume", name).CombinedOutput()
		resumed <- fmt.Sprintf("%v %s", err, out)
	}()
	if _, err := pool.Activate(t.Context(), device, false); err != nil {
		t.Error(err)
	}
	if got := <-resumed; got != "<nil> " {
		t.Errorf("dmsetup resume: %s", got)
	}
}

func TestActivationAndReloadsDoNotMeet(t *testing.T) {
	pool := newPool(t)
	create(t, pool, 1)
	device := thin(1)
	done := make(chan error, 1)
	go func() {
		var err error
		for n := range 20 {
			err = errors.Join(err, pool.SetErrorIfNoSpace(t.Context(), n%2 == 0))
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		if _, err := pool.Activate(t.Context(), device, false); err != nil {
			t.Fatal(err)
		}
		if err := pool.Deactivate(t.Context(), device.Name); err != nil && !errors.Is(err, thinpool.ErrBusy) {
			t.Fatal(err)
		}
	}
}
