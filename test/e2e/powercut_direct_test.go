//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The parts of powercut-direct.scenario.json: the machine loses its power while
// direct-lvm is set up, while its pool is extended, and while a pool on loop
// devices is made larger. Each part ends in the middle of one of these, so that
// the cut comes then, and begins by finding that nothing was lost before.

// directCut is a daemon whose state outlives the machine.
func directCut(t *testing.T, dir string, options ...string) *loneDriver {
	t.Helper()
	d := &loneDriver{dir: filepath.Join(env.data, dir), options: append([]string{"dm.basesize=4G", "dm.min_free_space=1%"}, options...)}
	if err := os.MkdirAll(d.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	d.driverClient = newDriverClient(d.socket(), func(path string) string { return path })
	d.start(t)
	return d
}

var directCutOptions = []string{"dm.directlvm_device=" + spareDisk, "dm.thinp_percent=10", "dm.thinp_metapercent=1"}

// keepLayer makes a layer that must be there after every cut.
func keepLayer(t *testing.T, d *loneDriver) {
	t.Helper()
	d.mustCreate(t, "kept", "")
	d.look(t, "kept", func(dir string) {
		shell(t, "head -c 1M /dev/zero | tr '\\0' k >"+dir+"/file; sync -f "+dir+"/file")
	})
}

func requireKeptLayer(t *testing.T, d *loneDriver) {
	t.Helper()
	d.look(t, "kept", func(dir string) {
		if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("k"), 1<<20)) {
			t.Errorf("the layer's file holds %d bytes, %v", len(got), err)
		}
	})
	d.mustStatus(t)
}

// whenSeen waits for something that is about to happen, at a finer grain than
// eventually.
func whenSeen(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !seen(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

//vm:once
//vm:long
func TestDirectCutDuringSetUp(t *testing.T) {
	d := directCut(t, "cut-direct", directCutOptions...)
	go func() { _ = d.init() }() // the power ends it
	whenSeen(t, "the data volume of a pool that is being made", func() bool {
		_, err := os.Stat("/dev/docker/thinpool")
		return err == nil
	})
}

//vm:once
//vm:long
func TestDirectCutDuringExtension(t *testing.T) {
	d := directCut(t, "cut-direct", directCutOptions...)
	d.mustInit(t)
	shell(t, "lvchange --monitor n docker/thinpool") // that it is ours which extends
	keepLayer(t, d)
	d.mustCreate(t, "grower", "")
	dir := d.mustGet(t, "grower")
	size := func() string { return shell(t, "dmsetup table docker-thinpool | cut -d' ' -f2") }
	before := size()
	shell(t, "setsid dd if=/dev/zero of="+dir+"/big bs=1M count=3000 >/dev/null 2>&1 &")
	whenSeen(t, "a larger pool", func() bool { return size() != before })
}

//vm:once
//vm:long
func TestDirectCutDuringResize(t *testing.T) {
	d := directCut(t, "cut-direct", directCutOptions...)
	d.mustInit(t)
	requireKeptLayer(t, d)
	if err := d.remove("grower"); err != nil {
		t.Error(err)
	}
	d.end(t)
	blankDisk(t, spareDisk)

	d = directCut(t, "cut-loop", "dm.loopdatasize=2G", "dm.loopmetadatasize=64M")
	d.mustInit(t)
	keepLayer(t, d)
	shell(t, "sync")
	file := filepath.Join(d.dir, "devicemapper", "data")
	shell(t, "setsid "+env.dmthin+" --socket "+filepath.Join(d.dir, "admin.sock")+" resize 5GB >/dev/null 2>&1 &")
	whenSeen(t, "a larger file", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 2<<30
	})
}

//vm:once
//vm:long
func TestDirectCutAfterwards(t *testing.T) {
	d := directCut(t, "cut-loop", "dm.loopdatasize=2G", "dm.loopmetadatasize=64M")
	d.mustInit(t)
	requireKeptLayer(t, d)
	status := d.mustStatus(t)
	if total := status.Pool.DataTotal; total != 2<<30 && total != 5<<30 {
		t.Errorf("the pool's size is %d", total)
	}
	shell(t, env.dmthin+" --socket "+filepath.Join(d.dir, "admin.sock")+" resize 5GB")
	if total := d.mustStatus(t).Pool.DataTotal; total != 5<<30 {
		t.Errorf("after another resize the pool's size is %d", total)
	}
	d.end(t)
}
