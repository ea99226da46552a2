//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// space is what a pool takes.
type space struct {
	Used      int64 // of the pool's data
	Allocated int64 // of the loop file, on the host's filesystem
}

func spaceNow(t *testing.T, s *stack) space {
	t.Helper()
	return space{Used: s.status(t).Pool.DataUsed, Allocated: allocated(t, s.loopFile())}
}

// reclaimLimit bounds how long blocks take to come back in the background once
// the last layer is gone.
const reclaimLimit = time.Minute

// removeEverything ends all containers, images and caches, and finds the pool
// as empty as it was.
func removeEverything(t *testing.T, s *stack, empty space) {
	full := spaceNow(t, s)
	s.run(t, "builder", "prune", "-af")
	s.run(t, "system", "prune", "-af")
	requireEmpty(t, s, empty)
	t.Logf("data used and loop file allocated: empty %+v, full %+v, after %+v", empty, full, spaceNow(t, s))
}

// requireEmpty waits for the space of removed layers, and finds none of their
// devices, mounts or problems.
func requireEmpty(t *testing.T, s *stack, empty space) {
	t.Helper()
	if kept := layerIDs(t, s.dockerd); len(kept) > 0 {
		requireOnly(t, s, kept)
		return
	}
	var now space
	for deadline := time.Now().Add(reclaimLimit); time.Now().Before(deadline); time.Sleep(time.Second) {
		now = spaceNow(t, s)
		if now.Used <= empty.Used*105/100 && now.Allocated <= empty.Allocated*105/100 {
			break
		}
	}
	if now.Used > empty.Used*105/100 {
		t.Errorf("%d bytes of the pool are in use, the empty pool had %d", now.Used, empty.Used)
	}
	// The file itself has holes where the pool has free blocks.
	if now.Allocated > empty.Allocated*105/100 {
		t.Errorf("the loop file takes %d bytes of the host's disk, that of the empty pool took %d", now.Allocated, empty.Allocated)
	}
	status := s.status(t)
	if status.Layers != 0 || status.Mounted != 0 || status.Pool.DeferredDeleted != 0 || len(status.Leaked) != 0 || len(status.Problems) != 0 {
		t.Errorf("not all is gone: %+v; layers:\n%s\ndockerd knows %q", status, s.dmthin(t, "ls", "--no-trunc"), layerIDs(t, s.dockerd))
	}
}

// requireOnly finds no layers but those that dockerd has kept. It never asks for
// the removal of an image's layer that BuildKit once used, prune as you like
// (seen with 20.10 and 26.1), so that the pool can't be empty then.
func requireOnly(t *testing.T, s *stack, kept []string) {
	t.Helper()
	t.Logf("dockerd itself keeps %d layers", len(kept))
	eventually(t, reclaimLimit, "all other layers are gone", func() bool {
		status := s.status(t)
		return status.Layers <= len(kept) && status.Mounted == 0 && status.Pool.DeferredDeleted == 0 &&
			len(status.Leaked) == 0 && len(status.Problems) == 0
	})
}
