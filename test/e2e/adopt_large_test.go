//go:build e2e

package e2e

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// A host with many images and containers is taken over, worked on, handed back,
// worked on, and taken over again.

//vm:once
//vm:long
func TestAdoptLargeLoopLVM(t *testing.T) {
	before := kernelObjects(t)
	h := newAdoptHost(t, "large-loop", loopPool(), append(poolOptions[:len(poolOptions):len(poolOptions)], "dm.fs=ext4")...)
	h.thereAndBackAndThere(t)
	requireNothingLeft(t, before)
}

// TestAdoptLargeAutomaticDirectLVMWithThePlugin has the managed plugin installed
// while Docker runs on its own driver, as the manual says; a newer Docker then
// starts on it.
//
//vm:once
//vm:long
func TestAdoptLargeAutomaticDirectLVMWithThePlugin(t *testing.T) {
	h := automaticAdoptHost(t, "large-automatic")
	h.installPlugin(t)
	h.thereAndBackAndThere(t)
}

//vm:once
//vm:long
func TestAdoptLargeManualDirectLVM(t *testing.T) {
	manualAdoptHost(t, "large-manual", "dm.fs=ext4").thereAndBackAndThere(t)
}

// TestAdoptManualDirectLVMWithThePlugin has a pool that an operator made.
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

// content is all that is to be kept: what docker shows, and the files of each
// layer.
type content struct {
	facts  facts
	layers map[string]tree
}

// thereAndBackAndThere is the whole way, twice begun.
func (h *adoptHost) thereAndBackAndThere(t *testing.T) {
	t.Helper()
	empty := spaceUsed(t, h.builtIn)
	h.variedHost(t)
	before := content{facts: readFacts(t, h.builtIn)}
	if n := strings.Count(before.facts["images"], "\n") + 1; n < 30 {
		t.Errorf("there are %d images", n)
	}
	changing := h.changingLayers(t)
	h.refusesWhileDockerRuns(t)
	deleted := h.removeBusy(t)
	h.builtIn.stop(t) // and with it a container
	before.layers = h.readLayers(t)
	h.adoptWithCare(t)

	s := h.startDMThin(t)
	h.finishesDeletion(t, s, deleted)
	h.requireContent(t, "adopted", s, before)
	after := h.worksUnderDMThin(t, s, before.layers, changing)
	s.stop(t)
	h.dmthin(t, "adopt", "--commit")

	h.dmthin(t, "release", "--yes")
	after = h.worksUnderDocker(t, after)
	if r := h.dmthin(t, "adopt", "--yes"); len(r.Findings) > 0 {
		t.Errorf("findings on a host that was released: %+v", r.Findings)
	}
	s = h.startDMThin(t)
	h.requireContent(t, "adopted again", s, after)
	s.run(t, "start", "running")
	if got := s.shell(t, "running", "cat /made"); got != "docker" {
		t.Errorf("the container's file holds %q", got)
	}
	removeAll(t, s.dockerd, empty)
	s.stop(t)
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

// requireContent finds, by way of dmthin, all that there was.
func (h *adoptHost) requireContent(t *testing.T, when string, s *stack, want content) {
	t.Helper()
	defer timed(t, when+": compare all")()
	requireSameFacts(t, when, want.facts, readFacts(t, s.dockerd))
	requireSameLayers(t, want.layers, s.client(t).readLayers(t, s.dockerd))
	if out := string(s.dmthin(t, "check")); !strings.Contains(out, "nothing") {
		t.Errorf("%s, dmthin check: %s", when, out)
	}
}

// worksUnderDMThin changes what there is, and returns what must be there from then
// on: all but the layers that change as their containers run.
func (h *adoptHost) worksUnderDMThin(t *testing.T, s *stack, layers map[string]tree, changing []string) content {
	t.Helper()
	h.worksOn(t, s.dockerd, "dmthin")
	h.buildsOn(t, s.dockerd, "made-dmthin")
	h.removesSome(t, s)
	after := content{readFacts(t, s.dockerd), map[string]tree{}}
	for _, id := range layerIDs(t, s.dockerd) {
		if known, ok := layers[id]; ok {
			after.layers[id] = known
		} else {
			after.layers[id] = s.client(t).readLayer(t, id)
		}
	}
	for _, id := range changing {
		delete(after.layers, id)
	}
	return after
}

// worksUnderDocker finds all that dmthin left, works on it, and returns what there
// is then.
func (h *adoptHost) worksUnderDocker(t *testing.T, want content) content {
	t.Helper()
	h.builtIn.start(t)
	requireSameFacts(t, "released", want.facts, readFacts(t, h.builtIn))
	if got := h.builtIn.foreground(t, "above-made-dmthin", "cat /made /above"); got != "dmthin\nabove" {
		t.Errorf("the image built under dmthin holds %q", got)
	}
	h.worksOn(t, h.builtIn, "docker")
	h.buildsOn(t, h.builtIn, "made-docker")
	after := content{facts: readFacts(t, h.builtIn)}
	h.builtIn.stop(t)
	after.layers = h.readLayers(t)
	requireSameLayers(t, want.layers, after.layers)
	return after
}

// readLayers reads all layers while the data is the built-in driver's, and
// nothing runs: what a driver shows of them, without one.
func (h *adoptHost) readLayers(t *testing.T) map[string]tree {
	t.Helper()
	layers := h.raw.readLayers(t, filepath.Join(h.root, "devicemapper"))
	maps.DeleteFunc(layers, func(name string, _ tree) bool { return name == "base" })
	for name, whole := range layers {
		layers[name] = whole.below("rootfs")
	}
	return layers
}
