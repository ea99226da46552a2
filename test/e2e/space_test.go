//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
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

// writeBulk leaves a container with much more in it than layers need for
// themselves.
func writeBulk(t *testing.T, s *stack) {
	t.Helper()
	s.background(t, "bulk", "busybox", "dd if=/dev/zero of=/bulk bs=1M count=256; sync; touch /done; sleep 1000")
	done := fmt.Sprintf("/proc/%d/root/done", s.container(t, "bulk").State.Pid)
	eventually(t, time.Minute, "the container has written", func() bool {
		_, err := os.Stat(done)
		return err == nil
	})
}

// removeEverything ends all containers, images and caches, and finds the pool
// as empty as it was.
func removeEverything(t *testing.T, s *stack, empty space) {
	full := spaceNow(t, s)
	if containers := strings.Fields(s.run(t, "ps", "-aq")); len(containers) > 0 {
		s.run(t, append([]string{"rm", "-f"}, containers...)...)
	}
	s.run(t, "builder", "prune", "-af")
	s.run(t, "system", "prune", "-af")
	requireEmpty(t, s, empty, full)
	t.Logf("data used and loop file allocated: empty %+v, full %+v, after %+v", empty, full, spaceNow(t, s))
}

// requireEmpty waits for the space of removed layers, and finds none of their
// devices, mounts or problems.
func requireEmpty(t *testing.T, s *stack, empty, full space) {
	t.Helper()
	if kept := layerIDs(t, s.dockerd); len(kept) > 0 {
		requireOnly(t, s, kept)
		return
	}
	// The file has holes where the pool has free blocks. A few stay: dm-thin
	// discards no block that loses its last owner by being written anew, which
	// happens to an image's layer that is mounted after a snapshot of it is gone.
	most := space{
		Used:      empty.Used * 105 / 100,
		Allocated: max(empty.Allocated*105/100, empty.Allocated+(full.Allocated-empty.Allocated)/20),
	}
	var now space
	for deadline := time.Now().Add(reclaimLimit); time.Now().Before(deadline); time.Sleep(time.Second) {
		now = spaceNow(t, s)
		if now.Used <= most.Used && now.Allocated <= most.Allocated {
			break
		}
	}
	if now.Used > most.Used {
		t.Errorf("%d bytes of the pool are in use, the empty pool had %d", now.Used, empty.Used)
	}
	if now.Allocated > most.Allocated {
		t.Errorf("the loop file takes %d bytes of the host's disk, that of the empty pool took %d, the full one's %d", now.Allocated, empty.Allocated, full.Allocated)
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
