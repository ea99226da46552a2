//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//vm:once
//vm:long
func TestAdoptLargeLoopLVM(t *testing.T) {
	before := kernelObjects(t)
	h := newAdoptHost(t, "adopt-large-loop", loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs=ext4")...)
	h.thereAndBack(t, 2)
	requireNothingLeft(t, before)
}

// TestAdoptManualDirectLVMWithThePlugin has the managed plugin installed while
// Docker runs on its own driver, as the manual says; a newer Docker then starts
// on it.
//
//vm:once
//vm:long
func TestAdoptManualDirectLVMWithThePlugin(t *testing.T) {
	h := manualAdoptHost(t, "adopt-manual", "dm.fs=xfs")
	space := spaceUsed(t, h.builtIn)
	h.keepFile(t)
	docker := readFacts(t, h.builtIn)
	h.installPlugin(t)
	h.builtIn.stop(t)
	h.stopped()
	h.adoptHealthy(t)
	h.external.start(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.requireKept(t, h.external)
	removeAll(t, h.external, space)
	h.external.stop(t)
}

// thereAndBack is the whole way: a varied host, adopt, work, release, and all is
// as it was. chain is how many images there are in the longest chain, steps are
// a Dockerfile's.
func (h *adoptHost) thereAndBack(t *testing.T, chain int, steps ...string) {
	t.Helper()
	h.variedHost(t, chain, steps...)
	docker := readFacts(t, h.builtIn)
	changing := h.changingLayers(t)
	deleted := h.removeBusy(t)
	h.refusesWhileDockerRuns(t)
	h.builtIn.stop(t)
	layers := h.readLayers(t)
	h.adoptWithCare(t)

	s := h.startDMThin(t)
	requireSameFacts(t, "adopted", docker, readFacts(t, h.external))
	h.finishesDeletion(t, s, deleted)
	if out := string(s.dmthin(t, "check")); !strings.Contains(out, "nothing") {
		t.Errorf("dmthin check: %s", out)
	}
	h.worksOn(t, h.external, "dmthin")
	h.buildsOn(t, h.external, "made-dmthin")
	docker = readFacts(t, h.external)
	s.stop(t)
	h.dmthin(t, "adopt", "--commit")

	h.dmthin(t, "release", "--yes")
	h.builtIn.start(t)
	requireSameFacts(t, "released", docker, readFacts(t, h.builtIn))
	if got := h.builtIn.foreground(t, "above-made-dmthin", "cat /made /above"); got != "dmthin\nabove" {
		t.Errorf("the image built under dmthin holds %q", got)
	}
	h.builtIn.stop(t)
	h.requireUntouched(t, layers, h.readLayers(t), changing)
}

// adoptWithCare looks, adopts, takes it back, and adopts.
func (h *adoptHost) adoptWithCare(t *testing.T) {
	t.Helper()
	small := smallFiles(t, h.root, h.config)
	if h.stopped != nil {
		h.stopped()
	}
	if r := h.dmthin(t, "adopt", "--dry-run"); len(r.Findings) > 0 {
		t.Errorf("findings on a healthy host: %+v", r.Findings)
	}
	requireSameFiles(t, "after a dry run", small, smallFiles(t, h.root, h.config))
	h.dmthin(t, "adopt", "--yes")
	h.dmthin(t, "adopt", "--undo", "--yes")
	requireSameFiles(t, "after adopt and undo", small, smallFiles(t, h.root, h.config))
	h.dmthin(t, "adopt", "--yes")
}

func (h *adoptHost) refusesWhileDockerRuns(t *testing.T) {
	t.Helper()
	if out, err := h.tryDMThin("adopt", "--yes"); err == nil || !strings.Contains(out, "dockerd runs on") {
		t.Fatalf("adopt while dockerd runs: %v, %s", err, out)
	}
}

// readLayers reads all layers while the data is the built-in driver's, and
// nothing runs.
func (h *adoptHost) readLayers(t *testing.T) map[string]tree {
	t.Helper()
	return h.raw.readLayers(t, filepath.Join(h.root, "devicemapper"))
}

// requireUntouched compares every file of every layer with what it was before
// both drivers worked on it, but for layers of containers that ran since.
func (h *adoptHost) requireUntouched(t *testing.T, before, after map[string]tree, changing []string) {
	t.Helper()
	want, got := map[string]tree{}, map[string]tree{}
	for name, layer := range before {
		want[name] = layer
		if layer, ok := after[name]; ok {
			got[name] = layer
		}
	}
	for _, name := range changing {
		if _, ok := got[name]; !ok {
			t.Errorf("container's layer %s is gone", name)
		}
		delete(want, name)
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layers differ (-before +after):\n%s", diff)
	}
}
