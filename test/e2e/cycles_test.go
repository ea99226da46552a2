//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"
)

// cyclesLeaveNothing counts what dmthind holds before and after 20 layers have
// come and gone: file descriptors, and goroutines, which only its end shows.
func cyclesLeaveNothing(t *testing.T, s *stack) {
	parent := topLayer(t, s.dockerd, "busybox")
	idle := runCycles(t, s, parent, 1)
	busy := runCycles(t, s, parent, 20)
	// A connection more or less of dockerd's own is no leak.
	if busy > idle+5 {
		t.Errorf("%d goroutines after 20 layers came and went, %d after one; the stacks are in %s", busy, idle, s.host.proc.log)
	}
}

// runCycles takes n layers through their lives, and returns the number of
// dmthind's goroutines afterwards. dmthind is a new process then.
func runCycles(t *testing.T, s *stack, parent string, n int) (goroutines int) {
	t.Helper()
	c := s.client(t)
	if err := cycle(c, "warm", parent); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t, s.host.proc.pid())
	for i := range n {
		if err := cycle(c, fmt.Sprintf("cycle%d", i), parent); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "the last layer is reclaimed", func() bool { return s.status(t).Pool.DeferredDeleted == 0 })
	after := descriptors(t, s.host.proc.pid())
	if len(after) > len(before)+2 { // a connection may come or go
		t.Errorf("open before %d layers came and went:\n%v\nafterwards:\n%v", n, before, after)
	}
	c.CloseIdleConnections()
	defer s.waitForAdmin(t)
	return quit(t, s.host)
}

// goroutine starts each stack that a Go program prints at SIGQUIT.
var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ `)

// quit ends the daemon with its goroutines printed, starts it again and
// returns their number.
func quit(t *testing.T, h *hostDaemon) int {
	t.Helper()
	old, err := os.ReadFile(h.proc.log)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.proc.end(syscall.SIGQUIT, stopLimit) // a Go program ends with status 2 then
	log, err := os.ReadFile(h.proc.log)
	if err != nil {
		t.Fatal(err)
	}
	stacks := goroutine.FindAll(slices.Clone(log[len(old):]), -1)
	if len(stacks) == 0 {
		t.Fatalf("no stacks in the log:\n%s", h.proc.logTail())
	}
	h.start(t)
	return len(stacks)
}
