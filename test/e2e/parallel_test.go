//go:build e2e

package e2e

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

//vm:once
//vm:long
func TestManyContainersAndTheirSizes(t *testing.T) {
	before := kernelObjects(t)
	s := hostStack(t, "sizes", "dm.basesize=256M")
	empty := spaceNow(t, s)
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	t.Run("ten containers start at once", func(t *testing.T) { tenAtOnce(t, s) })
	t.Run("a busy layer holds up no other", func(t *testing.T) { busyLayers(t, s) })
	t.Run("size= is kept", func(t *testing.T) { containerSizes(t, s) })
	t.Run("layers that come and go leave nothing in dmthind", func(t *testing.T) { cyclesLeaveNothing(t, s) })
	t.Run("removing everything gives the space back", func(t *testing.T) { removeEverything(t, s, empty) })
	t.Run("a bigger base size grows new containers", func(t *testing.T) { biggerBase(t, s) })
	s.stop(t)
	requireNothingLeft(t, before)
}

// tenAtOnce starts ten containers at the same moment and looks into each.
func tenAtOnce(t *testing.T, s *stack) {
	const many = 10
	names := make([]string, many)
	failures := make([]error, many)
	all := func(do func(i int, name string) error) {
		var group sync.WaitGroup
		for i := range many {
			group.Go(func() {
				names[i] = fmt.Sprintf("c%d", i)
				failures[i] = do(i, names[i])
			})
		}
		group.Wait()
		if err := errors.Join(failures...); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	all(func(_ int, name string) error {
		_, err := s.try("run", "-d", "--network", "none", "--name", name, "busybox", "sh", "-c", "echo "+name+" >/name; sleep 1000")
		return err
	})
	t.Logf("%.1f s for %d containers", time.Since(start).Seconds(), many)
	requireNames(t, s, names)
	all(func(_ int, name string) error {
		_, err := s.try("rm", "-f", name)
		return err
	})
}

// requireNames looks for the file that each container wrote into its own layer.
func requireNames(t *testing.T, s *stack, names []string) {
	t.Helper()
	pids := strings.Fields(s.run(t, append([]string{"inspect", "--format", "{{.State.Pid}}"}, names...)...))
	for i, name := range names {
		path := fmt.Sprintf("/proc/%s/root/name", pids[i])
		eventually(t, 10*time.Second, name+" runs and has its own file", func() bool {
			text, err := os.ReadFile(path)
			return err == nil && string(text) == name+"\n"
		})
	}
}

// busyLayers keeps one layer in the middle of ApplyDiff and another in the
// middle of Diff for as long as it takes, and measures that work on other
// layers, siblings included, goes on as fast as before.
func busyLayers(t *testing.T, s *stack) {
	c := s.client(t)
	parent := topLayer(t, s.dockerd, "busybox")
	idle := cycles(t, c, parent, "idle")
	endApply := holdInApply(t, c, parent)
	endDiff := holdInDiff(t, c, parent)
	busy := cycles(t, c, parent, "busy")
	if got := s.foreground(t, "busybox", "echo runs"); got != "runs" {
		t.Errorf("a container says %q", got)
	}
	endDiff()
	endApply()
	t.Logf("slowest create, get, put and remove: %s; beside two busy layers: %s", idle, busy)
	// The streams stand still, so they take no processor time from the others.
	if busy > 3*idle+time.Second {
		t.Errorf("work on a layer took %s while others were busy, %s before", busy, idle)
	}
}

// cycles returns how long the slowest of some rounds of a layer's life took.
func cycles(t *testing.T, c *driverClient, parent, name string) (slowest time.Duration) {
	t.Helper()
	for i := range 3 {
		start := time.Now()
		if err := cycle(c, fmt.Sprintf("%s%d", name, i), parent); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
	}
	return slowest
}

// cycle makes, mounts, unmounts and removes a layer.
func cycle(c *driverClient, id, parent string) error {
	if err := c.create(id, parent); err != nil {
		return err
	}
	if _, err := c.get(id); err != nil {
		return err
	}
	return errors.Join(c.put(id), c.remove(id))
}

// bulk is more than all buffers between two ends of a stream hold.
const bulk = 16 << 20

// holdInApply starts to fill a layer and stops in the middle of a file. end
// sends the rest, and expects the layer to be whole.
func holdInApply(t *testing.T, c *driverClient, parent string) (end func()) {
	t.Helper()
	const id = "filling"
	if err := c.create(id, parent); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.applyDiff(id, parent, reader) }()
	w := tar.NewWriter(writer)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bulk", Mode: 0o644, Size: bulk}); err != nil {
		t.Fatal(err)
	}
	half := make([]byte, bulk/2)
	if _, err := w.Write(half); err != nil {
		t.Fatal(err)
	}
	return func() {
		_, err := w.Write(half)
		err = errors.Join(err, w.Close(), writer.Close(), <-done)
		if err != nil {
			t.Errorf("the layer that was kept busy: %v", err)
		}
		if got := c.readLayer(t, id)["bulk"]; !strings.Contains(got, fmt.Sprintf(" size %d ", bulk)) {
			t.Errorf("the layer that was kept busy holds %q", got)
		}
		if err := c.remove(id); err != nil {
			t.Error(err)
		}
	}
}

// holdInDiff asks for a layer's tar and reads no more than its beginning. end
// reads the rest.
func holdInDiff(t *testing.T, c *driverClient, parent string) (end func()) {
	t.Helper()
	const id = "reading"
	if err := c.create(id, parent); err != nil {
		t.Fatal(err)
	}
	content := tarOf(t, regular("bulk", strings.Repeat("0123456789abcdef", bulk/16)))
	if err := c.applyDiff(id, parent, strings.NewReader(string(content))); err != nil {
		t.Fatal(err)
	}
	request, err := json.Marshal(layerRequest{ID: id, Parent: parent})
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Open("Diff", strings.NewReader(string(request)))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("Diff: %v, %v", response, err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	return func() {
		defer response.Body.Close()
		if n, err := io.Copy(io.Discard, response.Body); err != nil || n < bulk {
			t.Errorf("the rest of the tar: %d bytes, %v", n, err)
		}
		if err := c.remove(id); err != nil {
			t.Error(err)
		}
	}
}
