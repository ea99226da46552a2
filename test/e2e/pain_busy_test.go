//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dmthin/dmthin/test/vm/kernellog"
)

// The tests in the pain_ files are named after the numbers of
// docs/pain-points.md.

// leakMount starts a process whose private mount namespace keeps all mounts
// there are now, as a monitoring agent or a systemd unit does.
func leakMount(t *testing.T) (end func()) {
	t.Helper()
	p := startProcess(t, "pain-holder", nil, "unshare", "--mount", "--propagation", "private", "sleep", "600")
	before, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the holder has its own mounts", func() bool {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", p.pid()))
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid()))
		return err == nil && ns != before && bytes.HasPrefix(comm, []byte("sleep"))
	})
	end = sync.OnceFunc(func() { _ = p.end(syscall.SIGKILL, stopLimit) })
	t.Cleanup(end)
	return end
}

func TestPain01ALayerWhoseMountLeakedIsRemoved(t *testing.T) {
	d := startLoneDriver(t)
	d.mustCreate(t, "a", "")
	d.mustGet(t, "a")
	end := leakMount(t)
	d.mustRemove(t, "a")
	d.mustCreate(t, "a", "") // the name is free at once
	if err := os.WriteFile(filepath.Join(d.mustGet(t, "a"), "new"), []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
	end()
	d.settled(t)
}

//vm:once
func TestPain02ABusyDeviceHoldsNobodyUp(t *testing.T) {
	d := startLoneDriver(t)
	for _, id := range []string{"a", "b"} {
		d.mustCreate(t, id, "")
		d.mustGet(t, id)
	}
	held := make([]*os.File, 0, 2)
	for _, id := range []string{"a", "b"} {
		f, err := os.Open(deviceNode(t, d.deviceName(t, id)))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	// Docker's driver waited 20 s at each of these, so a minute.
	start := time.Now()
	if err := d.put("a"); err != nil {
		t.Error(err)
	}
	d.mustRemove(t, "a")
	d.mustRemove(t, "b")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("two busy layers took %v", took)
	}
	for _, f := range held {
		f.Close()
	}
	d.settled(t)
}

// deviceNode is the node that the kernel made for a device-mapper device; udev
// makes the one with its name when it comes to it.
func deviceNode(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob("/sys/block/dm-*/dm/name")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if got, err := os.ReadFile(file); err == nil && string(bytes.TrimSpace(got)) == name {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	t.Fatalf("no device %s", name)
	return ""
}

//vm:once
func TestPain07LoopDevicesAreReusedAndShown(t *testing.T) {
	d := startLoneDriver(t)
	loops := func() []string { return sysfsValues(t, "loop", "/sys/block/loop*/loop/backing_file") }
	before := loops()
	d.mustCreate(t, "a", "")
	d.mustGet(t, "a") // keeps the pool in use over the crash
	d.crash(t)
	if now := loops(); len(now) != len(before) {
		t.Errorf("loop devices before the crash %v, after it %v", before, now)
	}
	pool := d.mustStatus(t).Pool
	if want := filepath.Join(d.dir, "devicemapper", "data"); pool.DataLoopFile != want || pool.Backend != "loop-lvm" {
		t.Errorf("status shows backend %q on %q, want loop-lvm on %q", pool.Backend, pool.DataLoopFile, want)
	}
}

//vm:once
func TestPain10RemovalDoesNotWaitForTheDiscard(t *testing.T) {
	d := startLoneDriver(t, "dm.basesize=200G")
	empty := d.mustStatus(t).Pool.DataUsed
	d.mustCreate(t, "a", "")
	content := bytes.Repeat([]byte("content "), 8<<20) // 64 MiB
	if err := os.WriteFile(filepath.Join(d.mustGet(t, "a"), "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.put("a"); err != nil {
		t.Fatal(err)
	}
	if took := d.mustRemove(t, "a"); took > 15*time.Second {
		t.Errorf("Remove took %v", took)
	}
	// The discard looks at what is mapped, not at 200 GB.
	if used := d.settled(t).Pool.DataUsed; used > empty+empty/20 {
		t.Errorf("%d bytes used, %d before the layer", used, empty)
	}
}

//vm:once
func TestPain18ErrorsSayWhatAndWhy(t *testing.T) {
	d := startLoneDriver(t)
	d.mustCreate(t, "a", "")
	status := d.mustStatus(t)
	if err := kernellog.Expect(`error adding target to table|Deletion of thin device 2 failed`); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dmsetup", "message", status.Pool.Name, "0", "delete 2").CombinedOutput()
	if err != nil {
		t.Fatalf("delete the device behind the daemon's back: %v: %s", err, out)
	}
	_, err = d.get("a")
	requireSays(t, err, "layer a", "no such device ID")
	requireSays(t, d.create("b", "nobody"), "layer nobody", "unknown")
	d.mustRemove(t, "a") // a container must not stay "Dead" for it
	d.settled(t)
}

// requireSays fails unless err is one line that holds all the words.
func requireSays(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", words)
		return
	}
	for _, word := range words {
		if !bytes.Contains([]byte(err.Error()), []byte(word)) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if bytes.ContainsRune([]byte(err.Error()), '\n') {
		t.Errorf("error %q is not one line", err)
	}
}

//vm:once
func TestPain24LayersDoNotWaitForEachOther(t *testing.T) {
	d := startLoneDriver(t)
	d.mustCreate(t, "p", "")
	end := holdInApply(t, d.driverClient, "p")
	defer end()
	done := make(chan error)
	const clients = 8
	for n := range clients {
		go func() { done <- cycle(d.driverClient, fmt.Sprintf("c%d", n), "p") }()
	}
	for range clients {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("work on a layer waits for another that is being filled")
		}
	}
}
