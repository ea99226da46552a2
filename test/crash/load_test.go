//go:build soak

package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// loadDir is on the machine's disk, as a host's state is.
const loadDir = "/var/lib/dmthin-test/load"

// onLargeLoopFiles is a pool with room for the largest of what follows. The files
// are sparse.
var onLargeLoopFiles = setting{state: loadDir, options: []string{
	"dm.basesize=120G", "dm.loopdatasize=200G", "dm.loopmetadatasize=2G", "dm.min_free_space=0%",
}}

// scaled is a number of things at DMTHIN_SCALE percent, 10 at least.
func scaled(t *testing.T, full int) int {
	t.Helper()
	percent, err := strconv.Atoi(variable("DMTHIN_SCALE", "100"))
	requireNoError(t, err)
	return max(10, full*percent/100)
}

// loaded runs a daemon with an empty pool, and has nothing left afterwards.
func loaded(t *testing.T, do func(d *daemon)) {
	t.Helper()
	requireNoError(t, os.MkdirAll(loadDir, 0o711))
	requireNoError(t, os.MkdirAll(runDir, 0o711))
	_ = os.Remove(runDir + "/init.json")
	d := startedOn(t, onLargeLoopFiles)
	defer func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(loadDir); err != nil {
			t.Error(err)
		}
	}()
	do(d)
}

// startedOn is started with another setting.
func startedOn(t *testing.T, s setting) *daemon {
	t.Helper()
	d, err := s.start("")
	requireNoError(t, err)
	d.Timeout = 3 * time.Hour
	requireNoError(t, d.init())
	return d
}

// took prints how long something took, and how long for each of many.
func took(t *testing.T, what string, count int, do func()) {
	t.Helper()
	begin := time.Now()
	do()
	all := time.Since(begin)
	figure(t, what, "%d in %.1f s, %.1f ms each", count, all.Seconds(), float64(all.Milliseconds())/float64(count))
}

// TestLoadManyLayers makes ten thousand, with a look at the first and the last
// hundred of them.
func TestLoadManyLayers(t *testing.T) {
	count := scaled(t, 10000)
	edge := min(100, count/2)
	loaded(t, func(d *daemon) {
		before := look(t, d)
		name := func(n int) string { return fmt.Sprintf("l%05d", n) }
		makeThem := func(from, to int) func() {
			return func() {
				for n := from; n < to; n++ {
					requireNoError(t, d.create(name(n), "", ""))
				}
			}
		}
		took(t, "the first layers made", edge, makeThem(0, edge))
		makeThem(edge, count-edge)()
		took(t, fmt.Sprintf("the last of %d layers made", count), edge, makeThem(count-edge, count))
		took(t, "status", 1, func() { requireLayers(t, d, count) })
		took(t, "all layers listed", count, func() {
			layers, err := d.admin().Layers(t.Context())
			if err != nil || len(layers) < count {
				t.Errorf("%d layers are listed, %v", len(layers), err)
			}
		})
		took(t, "restart", 1, func() {
			requireNoError(t, d.end(syscall.SIGTERM))
			*d = *startedOn(t, onLargeLoopFiles)
		})
		requireLayers(t, d, count)
		took(t, "layers removed", count, func() {
			for n := range count {
				requireNoError(t, d.remove(name(n)))
			}
		})
		took(t, "their blocks given back", count, func() {
			if wrong := d.settledWithin(t.Context(), nil, time.Hour); len(wrong) > 0 {
				t.Error(wrong)
			}
		})
		after := look(t, d)
		figure(t, "metadata used, bytes", "%d before, %d after", before.pool.MetadataUsed, after.pool.MetadataUsed)
		if after.pool.MetadataUsed > before.pool.MetadataUsed+64*4096 {
			t.Errorf("metadata used: %d bytes before, %d after", before.pool.MetadataUsed, after.pool.MetadataUsed)
		}
	})
}

func requireLayers(t *testing.T, d *daemon, count int) {
	t.Helper()
	status, err := d.admin().Status(t.Context())
	if err != nil || status.Layers != count || len(status.Problems) > 0 {
		t.Errorf("status: %d layers, %v, %v", status.Layers, status.Problems, err)
	}
}

// TestLoadADeepChain has 128 layers, each with a file more than its parent.
func TestLoadADeepChain(t *testing.T) {
	const depth = 128
	loaded(t, func(d *daemon) {
		parent := ""
		took(t, "layers on each other", depth, func() {
			for n := range depth {
				id := fmt.Sprintf("d%03d", n)
				requireNoError(t, d.create(id, parent, ""))
				requireNoError(t, d.perform(operation{verb: fill, layer: id, files: map[string]string{id: "x"}}))
				parent = id
			}
		})
		dir, err := d.get(parent)
		requireNoError(t, err)
		files, err := readFiles(dir)
		if err != nil || len(files) != depth {
			t.Errorf("the topmost layer has %d files, %v", len(files), err)
		}
		requireNoError(t, d.put(parent))
		var answer struct{ Changes []struct{ Path string } }
		took(t, "changes of the topmost", 1, func() {
			requireNoError(t, d.Call("Changes", map[string]string{"ID": parent, "Parent": "d126"}, &answer))
		})
		if len(answer.Changes) != 1 || answer.Changes[0].Path != filepath.Join("/", parent) {
			t.Errorf("its changes are %v", answer.Changes)
		}
	})
}
