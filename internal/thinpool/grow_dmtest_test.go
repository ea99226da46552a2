//go:build dmtest

package thinpool_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// smallSpec describes a pool that 8 MiB fill.
func smallSpec(t testing.TB) thinpool.Spec {
	t.Helper()
	spec := newSpec(t)
	spec.DataDevice = dmtest.Loop(t, 8*mib)
	return spec
}

// enlarge makes a loop device larger, as an operator would.
func enlarge(t testing.TB, device string, size int64) {
	t.Helper()
	file := strings.TrimSpace(dmtest.Run(t, "losetup", "--noheadings", "--output", "BACK-FILE", device))
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "losetup", "--set-capacity", device)
}

// write writes n bytes around the page cache in a goroutine.
func write(node thinpool.Device, n int) <-chan error {
	done := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(node.Path, os.O_WRONLY|unix.O_DIRECT, 0)
		if err != nil {
			done <- err
			return
		}
		block := aligned(mib)
		for ; n > 0 && err == nil; n -= len(block) {
			_, err = f.Write(block)
		}
		done <- errors.Join(err, f.Close())
	}()
	return done
}

func aligned(n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(err) // no memory
	}
	return b
}

// fillUp writes more than the pool holds and returns when it is full.
func fillUp(t testing.TB, pool *thinpool.Pool, node thinpool.Device) <-chan error {
	t.Helper()
	done := write(node, 12*mib)
	for range 500 {
		if status(t, pool).Mode == thinpool.ModeOutOfDataSpace {
			return done
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the pool never got full: %+v", status(t, pool))
	return nil
}

func wantWithin(t testing.TB, done <-chan error, limit time.Duration, want error) {
	t.Helper()
	start := time.Now()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Errorf("the write ended with %v, want %v", err, want)
		}
		t.Logf("%v after %v", err, time.Since(start))
	case <-time.After(limit):
		t.Errorf("the write still waits after %v", limit)
	}
}

func TestWaitingWriteGoesOnWhenThePoolGrows(t *testing.T) {
	spec := smallSpec(t)
	pool := openPool(t, spec)
	_, node := createActive(t, pool, 1)
	done := fillUp(t, pool, node)
	enlarge(t, spec.DataDevice, 32*mib)
	if grown, err := pool.Grow(t.Context()); !grown || err != nil {
		t.Fatalf("got %v, %v", grown, err)
	}
	wantWithin(t, done, time.Second, nil)
	if got := status(t, pool); got.DataTotal != 512 || got.Mode != thinpool.ModeReadWrite || got.ErrorIfNoSpace {
		t.Errorf("got %+v", got)
	}
	if grown, err := pool.Grow(t.Context()); grown || err != nil {
		t.Errorf("again: %v, %v", grown, err)
	}
}

func TestMetadataGrowsInUse(t *testing.T) {
	spec := newSpec(t)
	pool := openPool(t, spec)
	_, node := createActive(t, pool, 1)
	fill(t, node, 'x', mib)
	enlarge(t, spec.MetadataDevice, 16*mib)
	if grown, err := pool.Grow(t.Context()); !grown || err != nil {
		t.Fatalf("got %v, %v", grown, err)
	}
	if got := status(t, pool); got.MetadataTotal != 4096 || got.DataTotal != 4096 || got.Mode != thinpool.ModeReadWrite {
		t.Errorf("got %+v", got)
	}
	if got := firstByte(t, node); got != 'x' {
		t.Errorf("reads %q", got)
	}
}

func TestWaitingWriteFailsAtOnceWhenSoChosen(t *testing.T) {
	pool := openPool(t, smallSpec(t))
	_, node := createActive(t, pool, 1)
	done := fillUp(t, pool, node)
	if err := pool.SetErrorIfNoSpace(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	wantWithin(t, done, time.Second, unix.ENOSPC)
	wantWithin(t, write(node, 12*mib), time.Second, unix.ENOSPC) // and the next one at once
}

func TestChoiceForAFullPoolKeepsTheRestOfTheTable(t *testing.T) {
	spec := newSpec(t)
	spec.NoDiscardPassdown = true
	pool := openPool(t, spec)
	before := poolTableLine(t, spec.Name)
	for _, on := range []bool{true, true, false, false} {
		if err := pool.SetErrorIfNoSpace(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got := status(t, pool); got.ErrorIfNoSpace != on || got.Mode != thinpool.ModeReadWrite {
			t.Errorf("%v: got %+v", on, got)
		}
	}
	if after := poolTableLine(t, spec.Name); after != before {
		t.Errorf("table was %q, is %q", before, after)
	}
}

func poolTableLine(t testing.TB, name string) string {
	t.Helper()
	return dmtest.Run(t, "dmsetup", "table", name)
}

// A crash may come after any step of a reload.
func TestOpenFinishesAnInterruptedGrowth(t *testing.T) {
	for name, midway := range map[string][]string{
		"after load":    nil,
		"after suspend": {"suspend", "--noflush"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := smallSpec(t)
			openPool(t, spec)
			enlarge(t, spec.DataDevice, 32*mib)
			table := strings.Replace(poolTableLine(t, spec.Name), "0 16384", "0 65536", 1)
			dmtest.Run(t, "dmsetup", "load", spec.Name, "--table", table)
			if midway != nil {
				dmtest.Run(t, "dmsetup", append(midway, spec.Name)...)
			}
			again, err := thinpool.Open(t.Context(), spec, quiet())
			if err != nil {
				t.Fatal(err)
			}
			info, err := dm.Lookup(dm.ID{Name: spec.Name})
			if err != nil || info.InactiveTable || info.Suspended {
				t.Errorf("left as %+v, %v", info, err)
			}
			if got := status(t, again).DataTotal; got != 512 {
				t.Errorf("%d blocks", got)
			}
		})
	}
}

// The table that was left behind may be older than the pool.
func TestShortTableLeftBehindDoesNotStopThePool(t *testing.T) {
	spec := smallSpec(t)
	pool := openPool(t, spec)
	old := poolTableLine(t, spec.Name)
	enlarge(t, spec.DataDevice, 32*mib)
	if _, err := pool.Grow(t.Context()); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "dmsetup", "load", spec.Name, "--table", old)
	again, err := thinpool.Open(t.Context(), spec, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, again); got.DataTotal != 512 {
		t.Errorf("got %+v", got)
	}
}

// Someone who takes up a table that is too short, however it came there,
// leaves the pool suspended. The next Open gets it to run.
func TestOpenRevivesAPoolStoppedByAShortTable(t *testing.T) {
	spec := smallSpec(t)
	pool := openPool(t, spec)
	_, node := createActive(t, pool, 1)
	fill(t, node, 'x', mib)
	old := poolTableLine(t, spec.Name)
	enlarge(t, spec.DataDevice, 32*mib)
	if _, err := pool.Grow(t.Context()); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "dmsetup", "load", spec.Name, "--table", old)
	_ = dm.Suspend(dm.ID{Name: spec.Name}, dm.SuspendOptions{NoFlush: true})
	if dm.Resume(dm.ID{Name: spec.Name}) == nil {
		t.Fatal("the kernel took the short table")
	}
	if _, err := thinpool.Open(t.Context(), spec, quiet()); err != nil {
		t.Fatal(err)
	}
	if got := firstByte(t, node); got != 'x' || status(t, pool).DataTotal != 512 {
		t.Errorf("reads %q; %+v", got, status(t, pool))
	}
}

func TestInactivePoolTakesUpLargerDevicesWhenMade(t *testing.T) {
	spec := smallSpec(t)
	pool := openPool(t, spec)
	if err := pool.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	enlarge(t, spec.DataDevice, 32*mib)
	enlarge(t, spec.MetadataDevice, 16*mib)
	if got := status(t, openPool(t, spec)); got.DataTotal != 512 || got.MetadataTotal != 4096 {
		t.Errorf("got %+v", got)
	}
}
