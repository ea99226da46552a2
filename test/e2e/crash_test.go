//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counting is a container's script that writes the numbers from 1 on, a line
// each, so that a lost or torn write shows.
const counting = "i=0; while :; do i=$((i+1)); echo $i >>/log; usleep 50000; done"

// counted reads how far a running container has counted, and fails where a
// line is not what it must be.
func counted(t *testing.T, pid int) int {
	t.Helper()
	log, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/log", pid))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(log), "\n"), "\n")
	for i, line := range lines {
		if line != strconv.Itoa(i+1) {
			t.Fatalf("line %d of the container's file is %q", i+1, line)
		}
	}
	return len(lines)
}

// requireCountsOn fails unless the container still writes.
func requireCountsOn(t *testing.T, pid int) {
	t.Helper()
	before := counted(t, pid)
	eventually(t, 20*time.Second, "the container writes on", func() bool { return counted(t, pid) > before })
}

// driverIsKilled shows that containers don't notice the end of the daemon under
// test, and that work goes on with the next one.
func driverIsKilled(t *testing.T, s *stack) {
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	s.background(t, "counter", "busybox", counting)
	pid := s.container(t, "counter").State.Pid
	s.killDriver(t)
	requireCountsOn(t, pid)
	if got := s.foreground(t, "busybox", "echo runs"); got != "runs" {
		t.Errorf("a new container says %q", got)
	}
	if got := s.shell(t, "counter", "head -n 1 /log"); got != "1" {
		t.Errorf("exec in the old container says %q", got)
	}
	s.run(t, "stop", "counter")
	s.run(t, "start", "counter")
	s.run(t, "rm", "-f", "counter")
	s.run(t, "rmi", "busybox")
	eventually(t, reclaimLimit, "all layers are gone", func() bool {
		status := s.status(t)
		return status.Layers == 0 && status.Pool.DeferredDeleted == 0
	})
}
