//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPain11LayersNeedNoUdev(t *testing.T) {
	d := newLoneDriver(t)
	d.hideUdev()
	d.start(t)
	requireSays(t, d.init(), "udevd", "dm.override_udev_sync_check=true")
	d.options = append(d.options, "dm.override_udev_sync_check=true")
	d.mustInit(t)
	for n := range 3 {
		if err := cycle(d.driverClient, fmt.Sprintf("a%d", n), ""); err != nil {
			t.Error(err)
		}
	}
	if d.mustStatus(t).Pool.UdevSync {
		t.Error("status claims that udev is synchronised")
	}
}

// hideUdev makes the daemon see an empty /run/udev, as in a container. Others
// go on seeing the real one.
func (d *loneDriver) hideUdev() {
	d.prefix = []string{"unshare", "--mount", "--propagation", "slave", "sh", "-c", `mount -t tmpfs none /run/udev && exec "$0" "$@"`}
}

// udevd returns the PIDs of all of udev's processes.
func udevd(t *testing.T) (pids []int) {
	t.Helper()
	out, err := exec.Command("pgrep", "udevd").Output()
	if err != nil {
		t.Fatalf("find udevd: %v", err)
	}
	for field := range bytes.FieldsSeq(out) {
		pid, err := strconv.Atoi(string(field))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

//vm:once
func TestPain12AStuckUdevHoldsNothingUpForLong(t *testing.T) {
	d := newLoneDriver(t)
	defer resumeUdev(t, stopUdev(t))
	d.start(t)
	start := time.Now()
	d.mustInit(t)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("Init took %v", took)
	}
	start = time.Now()
	for n := range 5 {
		if err := cycle(d.driverClient, fmt.Sprintf("a%d", n), ""); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("five layers took %v", took)
	}
	d.end(t)
}

func stopUdev(t *testing.T) (pids []int) {
	t.Helper()
	pids = udevd(t)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	return pids
}

// resumeUdev also waits until udev has worked off what it missed: it opens
// devices for that, which would be in the next test's way.
func resumeUdev(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	if out, err := exec.Command("udevadm", "settle", "--timeout=600").CombinedOutput(); err != nil {
		t.Errorf("udevadm settle: %v: %s", err, out)
	}
}

// semaphores lists the System V semaphore sets there are.
func semaphores(t *testing.T) []string {
	t.Helper()
	table, err := os.ReadFile("/proc/sysvipc/sem")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(table)), "\n")[1:]
}

//vm:once
func TestPain13AKilledDaemonLeavesNoSemaphores(t *testing.T) {
	d := startLoneDriver(t)
	before := len(semaphores(t))
	for round := range 3 {
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					_ = cycle(d.driverClient, fmt.Sprintf("r%d-%d", round, n), "")
				}
			}
		}()
		time.Sleep(500 * time.Millisecond)
		d.proc.kill(t)
		close(stop)
		<-done
		d.start(t)
		d.waitReady(t)
	}
	if now := semaphores(t); len(now) != before {
		t.Errorf("%d semaphores before, now %v", before, now)
	}
}

//vm:last
func TestPain14ParallelStartsFindTheirDevices(t *testing.T) {
	d := startLoneDriver(t)
	const clients, rounds = 16, 3
	errs := make(chan error, clients*rounds)
	for client := range clients {
		go func() {
			for round := range rounds {
				errs <- cycle(d.driverClient, fmt.Sprintf("c%d-%d", client, round), "")
			}
		}()
	}
	for range clients * rounds {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	d.settled(t)
}
