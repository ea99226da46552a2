//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// acknowledged is what the clients of a daemon have been told.
type acknowledged struct {
	mu     sync.Mutex
	layers map[string]bool // true: made, false: removed
}

func (a *acknowledged) set(id string, made bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.layers[id] = made
}

// churn makes and removes layers until the daemon dies.
func (a *acknowledged) churn(c *driverClient, name string) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		if c.create(id, "") != nil {
			return
		}
		a.set(id, true)
		if n%2 == 0 {
			continue
		}
		a.mu.Lock()
		delete(a.layers, id) // open from here to the answer
		a.mu.Unlock()
		if c.remove(id) != nil {
			return
		}
		a.set(id, false)
	}
}

//vm:once
func TestPain15WhatWasAcknowledgedIsKnownAfterACrash(t *testing.T) {
	d := startLoneDriver(t)
	told := &acknowledged{layers: map[string]bool{}}
	for round := range 3 {
		var clients sync.WaitGroup
		for n := range 4 {
			clients.Go(func() { told.churn(d.driverClient, fmt.Sprintf("r%d-c%d", round, n)) })
		}
		time.Sleep(time.Second)
		d.proc.kill(t)
		clients.Wait()
		d.start(t)
		d.waitReady(t)
	}
	for id, made := range told.layers {
		if made {
			d.look(t, id, func(string) {})
			continue
		}
		if _, err := d.get(id); err == nil {
			t.Errorf("removed layer %s is back", id)
		}
	}
	d.settled(t)
}

//vm:once
func TestPain16ACrashDuringRemovalLeavesNoEmptyLayer(t *testing.T) {
	d := startLoneDriver(t)
	empty := d.mustStatus(t).Pool.DataUsed
	content := strings.Repeat("all of it ", 1<<20)
	for round := range 4 {
		id := fmt.Sprintf("a%d", round)
		d.mustCreate(t, id, "")
		if err := os.WriteFile(filepath.Join(d.mustGet(t, id), "file"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.put(id); err != nil {
			t.Fatal(err)
		}
		removed := make(chan struct{})
		go func() { _ = d.remove(id); close(removed) }()
		time.Sleep(time.Duration(round) * 20 * time.Millisecond)
		d.proc.kill(t)
		<-removed
		d.start(t)
		d.waitReady(t)
		if _, err := d.get(id); err != nil {
			continue // it is gone
		}
		got, err := os.ReadFile(filepath.Join(d.mustGet(t, id), "file"))
		if err != nil || string(got) != content {
			t.Errorf("round %d: the layer exists and holds %d bytes, %v", round, len(got), err)
		}
		d.mustRemove(t, id)
	}
	if used := d.settled(t).Pool.DataUsed; used > empty+empty/20 {
		t.Errorf("%d bytes used, %d before the layers", used, empty)
	}
}

//vm:once
func TestPain17ATornRecordOrAFullDiskStopsOnlyWhatItMust(t *testing.T) {
	d := newLoneDriver(t, "dm.loopdatasize=200M", "dm.basesize=100M", "dm.loopmetadatasize=16M")
	disk := smallDisk(t, d.dir, 600<<20)
	d.start(t)
	d.mustInit(t)
	for _, id := range []string{"good", "torn"} {
		d.mustCreate(t, id, "")
	}
	dir := d.mustGet(t, "good") // a container that runs all the time
	d.proc.kill(t)
	record := filepath.Join(d.dir, "metadata", "torn")
	if err := os.Truncate(record, 0); err != nil {
		t.Fatal(err)
	}
	// The loop files have their space already: this is about the records.
	for name, size := range map[string]int64{"data": 200 << 20, "metadata": 16 << 20} {
		allocate(t, filepath.Join(d.dir, "devicemapper", name), size)
	}
	fillDisk(t, disk)
	d.start(t)
	d.waitReady(t)
	_, err := d.get("torn")
	requireSays(t, err, record, "empty")
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("still here"), 0o600); err != nil {
		t.Error(err)
	}
	if err := d.put("good"); err != nil {
		t.Error(err)
	}
	d.mustRemove(t, "good")
	d.end(t)
	if err := unix.Unmount(disk, 0); err != nil {
		t.Error(err)
	}
}

// smallDisk mounts a filesystem of its own on dir.
func smallDisk(t *testing.T, dir string, size int64) string {
	t.Helper()
	image := filepath.Join(env.data, "small.img")
	for _, command := range [][]string{
		{"truncate", "-s", fmt.Sprint(size), image},
		{"mkfs.ext4", "-q", "-F", "-m", "0", image},
		{"mount", "-o", "loop", image, dir},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
		}
	}
	t.Cleanup(func() { _ = os.Remove(image) })
	return dir
}

func allocate(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		t.Fatalf("allocate %s: %v", path, err)
	}
}

func fillDisk(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := int64(64 << 20); chunk >= 4096; {
		end, err := f.Seek(0, 2)
		if err != nil {
			t.Fatal(err)
		}
		if unix.Fallocate(int(f.Fd()), 0, end, chunk) != nil {
			chunk /= 2
		}
	}
}

//vm:once
func TestPain20AWrongBaseDeviceIsToldApart(t *testing.T) {
	d := startLoneDriver(t)
	d.mustCreate(t, "a", "")
	path := filepath.Join(d.dir, "metadata", "deviceset-metadata")
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var set map[string]any
	if err := json.Unmarshal(right, &set); err != nil {
		t.Fatal(err)
	}
	uuid := fmt.Sprint(set["BaseDeviceUUID"])
	set["BaseDeviceUUID"] = "11111111-2222-3333-4444-555555555555"
	delete(set, "checksum") // the file would be damaged, and made anew
	wrong, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	d.restartWith(t, path, wrong)
	requireSays(t, d.init(), "base device", uuid, "11111111-2222-3333-4444-555555555555")
	d.restartWith(t, path, right)
	d.mustInit(t)
	d.look(t, "a", func(string) {})
}

// restartWith stops the daemon as dockerd does, replaces a file of its state
// and starts it again.
func (d *loneDriver) restartWith(t *testing.T, path string, content []byte) {
	t.Helper()
	d.end(t)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t)
}

//vm:once
func TestPain21SizesGrowAndShrinkAsAsked(t *testing.T) {
	d := startLoneDriver(t)
	d.mustCreate(t, "image", "")
	if err := d.Call("Cleanup", struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
	d.options = append(d.options, "dm.basesize=1G")
	d.mustInit(t)
	for id, size := range map[string]string{"container": "", "small": "100M", "large": "2G"} {
		request := map[string]any{"ID": id, "Parent": "image", "StorageOpt": map[string]string{"size": size}}
		if size == "" {
			delete(request, "StorageOpt")
		}
		if err := d.Call("CreateReadWrite", request, nil); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]int64{"image": 512 << 20, "container": 1 << 30, "small": 100 << 20, "large": 2 << 30} {
		d.look(t, id, func(dir string) {
			var fs unix.Statfs_t
			if err := unix.Statfs(dir, &fs); err != nil {
				t.Fatal(err)
			}
			if total := int64(fs.Blocks) * fs.Bsize; total > want || total < want*3/4 {
				t.Errorf("layer %s has %d bytes, want somewhat less than %d", id, total, want)
			}
		})
	}
}
