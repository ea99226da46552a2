//go:build dmtest

package thinpool_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestDeactivateIsIdempotentAndKeepsData(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	fill(t, node, 'x', 512)
	f, err := os.Open(node.Path)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, pool.Deactivate(t.Context(), device.Name), thinpool.ErrBusy)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := pool.Deactivate(t.Context(), device.Name); err != nil {
			t.Error(err)
		}
	}
	if got := firstByte(t, activate(t, pool, device)); got != 'x' {
		t.Errorf("reads %q", got)
	}
}

func TestActivateTakesBackADeferredDeactivation(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	f, err := os.Open(node.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
		t.Fatal(err)
	}
	if !lookup(t, pool, device.Name).DeferredRemove {
		t.Error("it is not pending")
	}
	if again := activate(t, pool, device); again != node {
		t.Errorf("got %v, want %v", again, node)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // for the kernel to remove it, if it still meant to
	if info := lookup(t, pool, device.Name); !info.Exists || info.DeferredRemove {
		t.Errorf("got %+v", info)
	}
	for range 2 {
		if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
			t.Error(err)
		}
	}
}

// The last close may happen at any moment; whichever way it falls, the device
// is active afterwards and stays.
func TestActivateSurvivesRaceWithDeferredRemoval(t *testing.T) {
	pool := newPool(t)
	device, node := createActive(t, pool, 1)
	for range 50 {
		f, err := os.Open(node.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := pool.DeactivateDeferred(t.Context(), device.Name); err != nil {
			t.Fatal(err)
		}
		var closed sync.WaitGroup
		closed.Go(func() { _ = f.Close() })
		node = activate(t, pool, device)
		closed.Wait()
		if info := lookup(t, pool, device.Name); !info.Exists || info.DeferredRemove {
			t.Fatalf("got %+v", info)
		}
	}
}
