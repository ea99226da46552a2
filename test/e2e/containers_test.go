//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// runContainers uses a container in all the ways the docker command has, and
// commits the image "committed" from it.
func runContainers(t *testing.T, s *stack) {
	s.background(t, "worker", "odd", "echo written >/log; sleep 1000")
	s.shell(t, "worker", "echo more >>/log; rm /odd/setuid; mv /odd/owned /odd/moved; chmod 600 /odd/capable; mkdir /new; dd if=/dev/zero of=/new/big bs=64k count=32 2>/dev/null")
	copyInAndOut(t, s)
	changesAreListed(t, s)
	sizesAreShown(t, s)
	graphDriverData(t, s)
	s.run(t, "commit", "worker", "committed")
	requireFiles(t, s, "committed", map[string]string{
		"log": "file 644 written\nmore", "copied": "file 640 from outside", "odd/moved": "file 644 o",
		"odd/owned": "absent", "odd/setuid": "absent", "new": "dir 755 big",
	})
	aLayerThatWasReadIsWritable(t, s)
	aStoppedOnesSizeFollowsItsChanges(t, s)
	s.run(t, "rm", "-f", "worker")
}

// aLayerThatWasReadIsWritable: docker diff mounts a stopped container's layer
// for reading, and the mount outlives it for a moment. docker cp is to find it
// writable, in dockerd's namespace too.
func aLayerThatWasReadIsWritable(t *testing.T, s *stack) {
	t.Helper()
	s.run(t, "kill", "worker")
	s.run(t, "wait", "worker")
	file := filepath.Join(t.TempDir(), "late")
	if err := os.WriteFile(file, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.run(t, "diff", "worker")
	s.run(t, "cp", file, "worker:/late")
}

// aStoppedOnesSizeFollowsItsChanges: what docker ps -s found is remembered, until
// somebody writes.
func aStoppedOnesSizeFollowsItsChanges(t *testing.T, s *stack) {
	t.Helper()
	var inspected containerState
	s.inspect(t, "container", "worker", &inspected)
	device := "device " + inspected.GraphDriver.Data["DeviceName"]
	active := func() bool { return slices.Contains(deviceNames(t), device) }
	size := func() string {
		eventually(t, 20*time.Second, device+" is at rest", func() bool { return !active() })
		return s.run(t, "ps", "-a", "-s", "--filter", "name=worker", "--format", "{{.Size}}")
	}
	before := size()
	if again := size(); again != before || !strings.HasPrefix(before, "2.1MB (virtual ") {
		t.Errorf("docker ps -s says %q, then %q", before, again)
	}
	if active() {
		t.Error("docker ps -s had the layer looked at again though nobody can have written to it")
	}
	file := filepath.Join(t.TempDir(), "later")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o640); err != nil {
		t.Fatal(err)
	}
	s.run(t, "cp", file, "worker:/later")
	if after := size(); !strings.HasPrefix(after, "5.24MB (virtual ") {
		t.Errorf("docker ps -s says %q after 3 MiB more", after)
	}
}

func copyInAndOut(t *testing.T, s *stack) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "copied")
	if err := os.WriteFile(file, []byte("from outside\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	s.run(t, "cp", file, "worker:/copied")
	s.run(t, "cp", "worker:/log", filepath.Join(dir, "log"))
	if got, err := os.ReadFile(filepath.Join(dir, "log")); err != nil || string(got) != "written\nmore\n" {
		t.Errorf("docker cp brought %q, %v", got, err)
	}
}

func changesAreListed(t *testing.T, s *stack) {
	t.Helper()
	want := []string{
		"A /copied", "A /log", "A /new", "A /new/big", "A /odd/moved", "C /odd", "C /odd/capable", "D /odd/owned", "D /odd/setuid",
	}
	got := strings.Split(s.run(t, "diff", "worker"), "\n")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docker diff (-want +got):\n%s", diff)
	}
}

// sizesAreShown looks for the 2 MiB and little more that the container wrote.
func sizesAreShown(t *testing.T, s *stack) {
	t.Helper()
	if got := s.run(t, "ps", "-s", "--format", "{{.Size}}"); !strings.HasPrefix(got, "2.1MB (virtual ") {
		t.Errorf("docker ps -s says %q", got)
	}
	for _, line := range strings.Split(s.run(t, "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"), "\n") {
		if strings.HasPrefix(line, "Containers") && line != "Containers 1 2.097MB" && !strings.HasPrefix(line, "Containers 1 2.1MB") {
			t.Errorf("docker system df says %q", line)
		}
	}
}

// graphDriverData checks docker inspect: the container's device is active
// under that name, and not the image's.
func graphDriverData(t *testing.T, s *stack) {
	t.Helper()
	var inspected containerState
	s.inspect(t, "container", "worker", &inspected)
	container := inspected.GraphDriver
	if container.Name != "dmthin" || container.Data["DeviceSize"] != "1073741824" {
		t.Errorf("GraphDriver of the container: %+v", container)
	}
	if name := container.Data["DeviceName"]; !slices.Contains(deviceNames(t), "device "+name) {
		t.Errorf("the container's device %q is not active: %s", name, deviceNames(t))
	}
	var image imageState
	s.inspect(t, "image", "odd", &image)
	if id := image.GraphDriver.Data["DeviceId"]; id == "" || id == container.Data["DeviceId"] {
		t.Errorf("image and container both have device ID %q", id)
	}
}
