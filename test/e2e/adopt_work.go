//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// variedHost makes images in several chains, and containers in all states. One
// runs on.
func (h *adoptHost) variedHost(t *testing.T) {
	t.Helper()
	h.manyImages(t)
	d := h.builtIn
	h.changesFiles(t, d)
	d.run(t, append(append([]string{"create", "--name", "created", "--storage-opt", "size=2G"}, offline...), h.top, "sh", "-c", "df -m / >/df")...)
	d.run(t, "commit", "running", "committed")
	d.background(t, "failed", fmt.Sprintf("fork%d", forkEnd), "rm -r /fork; echo failed >/here; exit 3")
	d.background(t, "stopped", "odd4", "echo here >/here; sleep 1000")
	d.run(t, "stop", "stopped")
}

// changesFiles starts a container that changes files in each way. What no program
// in it can, is done from outside.
func (h *adoptHost) changesFiles(t *testing.T, d *dockerd) {
	t.Helper()
	d.background(t, "running", "built", `cd /odd
mv owned moved; rm -f setuid; echo one >first; ln first second; ln -s /nowhere link; chown 12:34 precise; chmod 4711 capable
rm -r sticky; mkdir sticky; echo new >sticky/file
rm null; busybox mknod null c 1 5
echo here >/here; sleep 1000`)
	d.shell(t, "running", "while [ ! -s /here ]; do usleep 100000; done")
	odd := fmt.Sprintf("/proc/%d/root/odd/", d.container(t, "running").State.Pid)
	for _, a := range []struct{ file, name, value string }{
		{"labelled", "user.note", "changed"},
		{"second", "user.new", "\x00\x01"},
		{"moved", "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	} {
		if err := unix.Setxattr(odd+a.file, a.name, []byte(a.value), 0); err != nil {
			t.Fatalf("set %s of %s: %v", a.name, a.file, err)
		}
	}
}

// removeBusy removes a container whose device somebody has open, so that its
// deletion is deferred, and returns its layer.
func (h *adoptHost) removeBusy(t *testing.T) (layer string) {
	t.Helper()
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

// changingLayers are those of the containers that worksOn starts.
func (h *adoptHost) changingLayers(t *testing.T) (layers []string) {
	t.Helper()
	for _, name := range []string{"running", "created"} {
		layers = append(layers, h.layerOf(t, name))
	}
	return layers
}

// layerOf is the layer that a container writes to.
func (h *adoptHost) layerOf(t *testing.T, container string) string {
	t.Helper()
	id := h.builtIn.container(t, container).ID
	text, err := os.ReadFile(filepath.Join(h.root, "image/devicemapper/layerdb/mounts", id, "mount-id"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// worksOn uses what there is: starts, changes, commits.
func (h *adoptHost) worksOn(t *testing.T, d *dockerd, mark string) {
	t.Helper()
	d.run(t, "start", "running", "created")
	if got := d.shell(t, "running", "cat /here"); got != "here" {
		t.Errorf("the container's file holds %q", got)
	}
	h.requireSize(t, d, "created", 2<<10)
	d.shell(t, "running", "echo "+mark+" >/made")
	d.run(t, "commit", "running", "made-"+mark)
	if got := d.foreground(t, h.top, "cat /shared"); got != fmt.Sprint(h.chain) {
		t.Errorf("the image of many layers holds %q", got)
	}
	d.run(t, "stop", "running")
}

// requireSize finds that a container with a size of its own, in MiB, has it.
func (h *adoptHost) requireSize(t *testing.T, d *dockerd, container string, size int) {
	t.Helper()
	var said string
	eventually(t, time.Minute, "the container has said how large it is", func() bool {
		said = d.run(t, "cp", container+":/df", "-")
		return strings.Contains(said, "/dev/")
	})
	line := said[strings.Index(said, "/dev/"):]
	var device string
	var total int
	if _, err := fmt.Sscan(line, &device, &total); err != nil || total < size*9/10 || total > size {
		t.Errorf("the container's filesystem has %d MiB, not %d: %v, %q", total, size, err, line)
	}
}

// buildsOn makes an image on top of another, and a container of it.
func (h *adoptHost) buildsOn(t *testing.T, d *dockerd, image string) {
	t.Helper()
	d.runWith(t, nil, strings.NewReader("FROM "+image+"\nRUN echo above >/above\n"), "build", "-q", "--network", "none", "-t", "above-"+image, "-")
	d.run(t, append(append([]string{"create", "--name", "of-" + image}, offline...), "above-"+image, "true")...)
}

// removesSome removes a container and its image; the space that they alone took
// comes back.
func (h *adoptHost) removesSome(t *testing.T, s *stack) {
	t.Helper()
	before := s.status(t)
	s.run(t, "rm", "failed")
	s.run(t, "rmi", fmt.Sprintf("fork%d", forkEnd))
	const layers = 3 // the container's two, and the image's
	eventually(t, time.Minute, "the removed layers' space is back", func() bool {
		now := s.status(t)
		return now.Layers == before.Layers-layers && now.Pool.DataUsed < before.Pool.DataUsed && now.Pool.DeferredDeleted == 0
	})
}

// removeAll removes everything; the space comes back.
func removeAll(t *testing.T, d *dockerd, before string) {
	t.Helper()
	d.run(t, append([]string{"rm", "-f"}, strings.Fields(d.run(t, "ps", "-aq"))...)...)
	d.run(t, "image", "prune", "-af")
	eventually(t, 3*time.Minute, "the pool has the space back: "+before, func() bool { return spaceUsed(t, d) == before })
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

// keepFile makes the least that is worth keeping: an image, and a container
// with a file of its own.
func (h *adoptHost) keepFile(t *testing.T) {
	t.Helper()
	importImage(t, h.builtIn.docker, "busybox", busyboxFiles(t)...)
	h.builtIn.run(t, append(append([]string{"run", "--name", "kept"}, offline...), "busybox", "sh", "-c", "echo kept >/file")...)
}

// requireKept finds what keepFile made, and that it still runs.
func (h *adoptHost) requireKept(t *testing.T, d *dockerd) {
	t.Helper()
	if got := d.run(t, "diff", "kept"); got != "A /file" {
		t.Errorf("docker diff says %q", got)
	}
	if got := d.run(t, "cp", "kept:/file", "-"); !strings.Contains(got, "\x00kept\n") {
		t.Errorf("the container's file: %q", got)
	}
	d.run(t, "start", "--attach", "kept")
}
