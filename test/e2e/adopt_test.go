//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAdoptLoopLVM takes a host of the real built-in driver over and hands it
// back, on loop files.
func TestAdoptLoopLVM(t *testing.T) {
	for fs, chain := range map[string]int{"ext4": 12, "xfs": 2} {
		t.Run(fs, func(t *testing.T) {
			before := kernelObjects(t)
			h := newAdoptHost(t, "adopt-"+fs, loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs="+fs)...)
			h.thereAndBack(t, chain)
			requireNothingLeft(t, before)
		})
	}
}

// TestAdoptAutomaticDirectLVM does the same with a pool that Docker set up on a
// disk.
func TestAdoptAutomaticDirectLVM(t *testing.T) {
	expectKernel(t, suspendedPool)
	t.Cleanup(func() { blankDisk(t, spareDisk) })
	h := newAdoptHost(t, "adopt-automatic", lvmPool("/dev/mapper/docker-thinpool"), "dm.directlvm_device="+spareDisk, "dm.basesize=1G", "dm.fs=xfs")
	h.thereAndBack(t, 2)
}

// TestAdoptManualDirectLVM does the same with a pool that an operator made, and
// that a reboot left inactive.
func TestAdoptManualDirectLVM(t *testing.T) {
	expectKernel(t, suspendedPool)
	t.Cleanup(func() { blankDisk(t, spareDisk) })
	shell(t, "vgcreate --yes docker "+spareDisk+"; lvcreate --yes --type thin-pool --zero n --chunksize 512K --extents 80%VG --poolmetadatasize 64M -n thinpool docker")
	h := newAdoptHost(t, "adopt-manual", lvmPool("/dev/mapper/docker-thinpool"), "dm.thinpooldev=/dev/mapper/docker-thinpool", "dm.basesize=1G", "dm.fs=ext4")
	h.stopped = func() { shell(t, "lvchange -an docker/thinpool") }
	h.thereAndBack(t, 2)
}

// thereAndBack is the whole way: a varied host, adopt, work, release, work.
// chain is how many images there are in the longest chain.
func (h *adoptHost) thereAndBack(t *testing.T, chain int) {
	before := h.variedHost(t, chain)
	docker := readFacts(t, h.builtIn)
	deleted := h.removeBusy(t)
	h.refusesWhileDockerRuns(t)
	h.builtIn.stop(t)
	layers := h.raw.readLayers(t, filepath.Join(h.root, "devicemapper"))
	small := smallFiles(t, h.root, h.config)
	if h.stopped != nil {
		h.stopped()
	}
	r := h.dmthin(t, "adopt", "--dry-run")
	if len(r.Findings) > 0 {
		t.Errorf("findings on a healthy host: %+v", r.Findings)
	}
	requireSameFiles(t, "after a dry run", small, smallFiles(t, h.root, h.config))
	h.dmthin(t, "adopt", "--yes")
	h.dmthin(t, "adopt", "--undo", "--yes")
	requireSameFiles(t, "after adopt and undo", small, smallFiles(t, h.root, h.config))
	h.dmthin(t, "adopt", "--yes")
	requireSameTrees(t, "adopted", layers, h.raw.readLayers(t, filepath.Join(h.root, "dmthin")))

	s := h.startDMThin(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.finishesDeletion(t, s, deleted)
	if out := string(s.dmthin(t, "check")); !strings.Contains(out, "nothing") {
		t.Errorf("dmthin check: %s", out)
	}
	h.worksOn(t, h.external, "dmthin")
	docker = readFacts(t, h.external)
	s.stop(t)
	h.dmthin(t, "adopt", "--commit")
	layers = h.raw.readLayers(t, filepath.Join(h.root, "dmthin"))

	h.dmthin(t, "release", "--yes")
	requireSameTrees(t, "released", layers, h.raw.readLayers(t, filepath.Join(h.root, "devicemapper")))
	h.builtIn.start(t)
	requireSameFacts(t, "released", docker, readFacts(t, h.builtIn))
	if got := h.builtIn.foreground(t, "made-dmthin", "cat /made"); got != "dmthin" {
		t.Errorf("the image made under dmthin holds %q", got)
	}
	h.worksOn(t, h.builtIn, "devicemapper")
	h.removeAll(t, before)
	h.builtIn.stop(t)
}

// variedHost makes images in several chains, and containers in all states. It
// returns how much of the pool was in use before.
func (h *adoptHost) variedHost(t *testing.T, chain int) (before string) {
	t.Helper()
	d := h.builtIn
	before = spaceUsed(t, d)
	importImage(t, d.docker, "busybox", busyboxFiles(t)...)
	importImage(t, d.docker, "odd", append(busyboxFiles(t), oddFiles()...)...)
	many := manyLayers(t, chain)
	d.runWith(t, nil, bytes.NewReader(savedChain(t, "many", many)), "load", "-q")
	h.top, h.chain = fmt.Sprintf("many%d", chain), chain
	d.runWith(t, nil, strings.NewReader("FROM odd\nRUN echo one >/one\nRUN rm /odd/fifo; echo two >/two\nLABEL x=y\n"), "build", "-q", "--network", "none", "-t", "built", "-")
	d.background(t, "running", "built", "echo here >/here; sleep 1000")
	d.background(t, "changed", "odd", "mv /odd/owned /odd/moved; rm /odd/setuid; touch /ready; sleep 1000")
	d.shell(t, "changed", "while [ ! -e /ready ]; do usleep 100000; done")
	d.run(t, "stop", "changed")
	d.run(t, append(append([]string{"run", "--name", "sized", "--storage-opt", "size=2G"}, offline...), h.top, "sh", "-c", "df / >/df")...)
	d.run(t, append(append([]string{"create", "--name", "created"}, offline...), "busybox", "true")...)
	d.run(t, "commit", "changed", "committed")
	d.run(t, "stop", "running")
	return before
}

// removeBusy removes a container whose device somebody has open, so that its
// deletion is deferred, and returns its layer.
func (h *adoptHost) removeBusy(t *testing.T) (layer string) {
	t.Helper()
	expectKernel(t, `Deletion of thin device \d+ failed`)
	h.builtIn.background(t, "busy", "busybox", "sleep 1000")
	var c containerState
	h.builtIn.ask(t, "/containers/busy/json", &c)
	device, err := os.Open("/dev/mapper/" + c.GraphDriver.Data["DeviceName"])
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	h.builtIn.run(t, "rm", "-f", "busy")
	for name, r := range readRecordFiles(t, filepath.Join(h.root, "devicemapper")) {
		if r.Deleted {
			return name
		}
	}
	t.Fatal("no deletion was deferred")
	return ""
}

// finishesDeletion finds that the deferred deletion was finished.
func (h *adoptHost) finishesDeletion(t *testing.T, s *stack, layer string) {
	t.Helper()
	eventually(t, 30*time.Second, "the deferred deletion is finished", func() bool {
		return s.status(t).Pool.DeferredDeleted == 0
	})
	if _, there := readRecordFiles(t, filepath.Join(h.root, "dmthin"))[layer]; there {
		t.Errorf("removed layer %s still has its record", layer)
	}
}

func (h *adoptHost) refusesWhileDockerRuns(t *testing.T) {
	t.Helper()
	if out, err := h.tryDMThin("adopt", "--yes"); err == nil || !strings.Contains(out, "dockerd runs on") {
		t.Fatalf("adopt while dockerd runs: %v, %s", err, out)
	}
}

// worksOn uses what there is: starts, changes, commits, builds, removes.
func (h *adoptHost) worksOn(t *testing.T, d *dockerd, mark string) {
	t.Helper()
	d.run(t, "start", "running", "created")
	if got := d.shell(t, "running", "cat /here"); got != "here" {
		t.Errorf("the container's file holds %q", got)
	}
	d.shell(t, "running", "echo "+mark+" >/made")
	d.run(t, "commit", "running", "made-"+mark)
	d.runWith(t, nil, strings.NewReader("FROM made-"+mark+"\nRUN echo above >/above\n"), "build", "-q", "--network", "none", "-t", "above-"+mark, "-")
	d.run(t, append(append([]string{"run", "--name", "new-" + mark}, offline...), "above-"+mark, "sh", "-c", "cat /made /above >/both")...)
	if got := d.foreground(t, h.top, "cat /shared"); got != fmt.Sprint(h.chain) {
		t.Errorf("the image of many layers holds %q", got)
	}
	d.run(t, "stop", "running")
}

// removeAll removes everything; the space comes back.
func (h *adoptHost) removeAll(t *testing.T, before string) {
	t.Helper()
	d := h.builtIn
	d.run(t, append([]string{"rm", "-f"}, strings.Fields(d.run(t, "ps", "-aq"))...)...)
	d.run(t, "image", "prune", "-af")
	eventually(t, time.Minute, "the pool has the space back: "+before, func() bool { return spaceUsed(t, d) == before })
}

func spaceUsed(t *testing.T, d *dockerd) string {
	t.Helper()
	var info struct{ DriverStatus [][2]string }
	d.ask(t, "/info", &info)
	for _, row := range info.DriverStatus {
		if row[0] == "Data Space Used" {
			return row[1]
		}
	}
	t.Fatal("docker info has no Data Space Used")
	return ""
}

// smallFiles reads what adopt may change: all files but the pool's.
func smallFiles(t *testing.T, root, config string) map[string]string {
	t.Helper()
	files := map[string]string{}
	read := func(path string) error {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil {
			return err
		}
		files[path] = info.Mode().String() + " " + string(text)
		return nil
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			files[path] = "folder"
			return nil
		case !e.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "devicemapper":
			return nil
		}
		return read(path)
	})
	if err == nil {
		err = read(config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func requireSameFiles(t *testing.T, when string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, files differ (-before +after):\n%s", when, diff)
	}
}

func requireSameTrees(t *testing.T, when string, want, got map[string]tree) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, layers differ (-before +after):\n%s", when, diff)
	}
}

// TestManualTakeOver does what the page says on a host of the built-in driver.
func TestManualTakeOver(t *testing.T) {
	h := newManualHost(t)
	h.bash(t, "systemctl stop dmthin")
	h.onBuiltIn(t)
	h.bash(t, "systemctl start docker; docker run --network none --name keeper busybox sh -c 'echo kept >/file; sync'")
	images := h.bash(t, "docker images --no-trunc --quiet")
	h.follow(t, "take-over", "The ten-minute version")
	h.requireInfo(t, "Storage Driver: dmthin")
	h.requireKeeper(t, images)
	h.bash(t, "systemctl stop docker; systemctl stop dmthin; dmthin release --yes; systemctl start docker")
	h.requireInfo(t, "Storage Driver: devicemapper")
	h.requireKeeper(t, images)
	before := h.bash(t, "cat /etc/docker/daemon.json")
	h.bash(t, "systemctl stop docker; dmthin adopt --yes; systemctl start dmthin; systemctl start docker")
	h.requireKeeper(t, images)
	h.follow(t, "take-over", "Going back")
	h.requireInfo(t, "Storage Driver: devicemapper")
	h.requireKeeper(t, images)
	if after := h.bash(t, "cat /etc/docker/daemon.json"); after != before {
		t.Errorf("daemon.json is %s, and was %s", after, before)
	}
}

// onBuiltIn has the host's Docker be one of the built-in driver.
func (h *manualHost) onBuiltIn(t *testing.T) {
	t.Helper()
	if dir := builtInDocker(t); dir != "" {
		h.bash(t, "ln -s "+dir+"/* "+h.bin)
	}
	h.bash(t, `mkdir -p /etc/docker
echo '{"storage-driver": "devicemapper", "storage-opts": ["dm.loopdatasize=4G", "dm.loopmetadatasize=128M", "dm.basesize=1G"]}' >/etc/docker/daemon.json`)
}

// requireKeeper finds the container with its file, and the images.
func (h *manualHost) requireKeeper(t *testing.T, images string) {
	t.Helper()
	if got := h.bash(t, "docker cp keeper:/file - | tar -xO"); got != "kept\n" {
		t.Errorf("the container's file holds %q", got)
	}
	if got := h.bash(t, "docker images --no-trunc --quiet"); got != images {
		t.Errorf("images %q, before %q", got, images)
	}
}
