//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

//vm:once
func TestContainersSurviveDaemons(t *testing.T) {
	before := kernelObjects(t)
	s := hostStack(t, "survive")
	empty := spaceNow(t, s)
	importImages(t, s)
	t.Run("dockerd is killed", func(t *testing.T) { dockerdIsKilled(t, s) })
	t.Run("with live-restore containers outlive dockerd", func(t *testing.T) { liveRestore(t, s) })
	t.Run("dockerd and the driver are killed at once", func(t *testing.T) { bothAreKilled(t, s) })
	t.Run("removing everything gives the space back", func(t *testing.T) { removeEverything(t, s, empty) })
	s.stop(t)
	requireNothingLeft(t, before)
}

// counting is a container's script that writes the numbers from 1 on, a line
// each, so that a lost or torn write shows. Started again it goes on.
const counting = `i=$(cat /log 2>/dev/null | wc -l); while :; do i=$((i+1)); echo $i >>/log; usleep 50000; done`

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

// requireCountsOn fails unless the container, still the same process, writes on.
func requireCountsOn(t *testing.T, s *stack, pid int) {
	t.Helper()
	before := counted(t, pid)
	eventually(t, 20*time.Second, "the container writes on", func() bool { return counted(t, pid) > before })
	if state := s.container(t, "counter").State; !state.Running || state.Pid != pid {
		t.Errorf("the container was process %d, docker inspect says %+v", pid, state)
	}
}

// startCounter starts the container "counter" and returns its process ID once
// it has written something.
func startCounter(t *testing.T, s *stack) int {
	t.Helper()
	s.background(t, "counter", "busybox", counting)
	pid := s.container(t, "counter").State.Pid
	eventually(t, 20*time.Second, "the container writes", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/root/log", pid))
		return err == nil
	})
	return pid
}

// dockerdIsKilled shows that images and what containers had written are there
// afterwards, byte for byte, and that work goes on.
func dockerdIsKilled(t *testing.T, s *stack) {
	s.background(t, "kept", "odd", "mv /odd/owned /odd/moved; rm /odd/fifo; sleep 1000")
	s.shell(t, "kept", "sync")
	layers := s.client(t).readLayers(t, s.dockerd)
	written := counted(t, startCounter(t, s))
	s.proc.kill(t)
	s.start(t)
	requireSameLayers(t, layers, s.client(t).readLayers(t, s.dockerd))
	s.run(t, "start", "counter", "kept")
	pid := s.container(t, "counter").State.Pid
	requireCountsOn(t, s, pid)
	if now := counted(t, pid); now <= written {
		t.Errorf("the container had counted to %d, now it is at %d", written, now)
	}
	s.run(t, "rm", "-f", "counter", "kept")
}

// liveRestore ends dockerd in both ways while a container goes on, and expects
// the next dockerd to take it over.
func liveRestore(t *testing.T, s *stack) {
	s.Flags = append(s.Flags, "--live-restore")
	s.restart(t)
	pid := startCounter(t, s)
	s.restart(t)
	requireCountsOn(t, s, pid)
	s.proc.kill(t)
	s.start(t)
	requireCountsOn(t, s, pid)
	requireRemovable(t, s)
}

// bothAreKilled ends dockerd and the driver at once, as out of memory does, and the
// driver twice more while it takes its work up again.
func bothAreKilled(t *testing.T, s *stack) {
	pid := startCounter(t, s)
	s.proc.kill(t)
	s.host.proc.kill(t)
	for _, later := range []time.Duration{0, 500 * time.Millisecond} {
		s.host.start(t)
		time.Sleep(later)
		s.host.proc.kill(t)
	}
	s.host.start(t)
	s.start(t)
	requireCountsOn(t, s, pid)
	if got := s.foreground(t, "busybox", "echo runs"); got != "runs" {
		t.Errorf("a new container says %q", got)
	}
	requireRemovable(t, s)
}

// driverIsKilled shows that containers don't notice the end of the daemon under
// test, and that work goes on with the next one.
func driverIsKilled(t *testing.T, s *stack) {
	pid := startCounter(t, s)
	s.killDriver(t)
	requireCountsOn(t, s, pid)
	if got := s.foreground(t, "busybox", "echo runs"); got != "runs" {
		t.Errorf("a new container says %q", got)
	}
	requireRemovable(t, s)
}

// requireRemovable uses, stops and removes the counter as if nothing had
// happened.
func requireRemovable(t *testing.T, s *stack) {
	t.Helper()
	if got := s.shell(t, "counter", "head -n 1 /log"); got != "1" {
		t.Errorf("exec in the old container says %q", got)
	}
	s.run(t, "stop", "counter")
	device := "device " + s.container(t, "counter").GraphDriver.Data["DeviceName"]
	s.run(t, "rm", "counter")
	eventually(t, 20*time.Second, device+" is gone", func() bool { return !slices.Contains(deviceNames(t), device) })
}
