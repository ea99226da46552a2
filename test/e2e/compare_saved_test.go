//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"
)

// save writes the images that were made on a side, maybe another, to its file.
func (s side) save(t *testing.T, maker side) {
	t.Helper()
	s.run(t, append([]string{"save", "-o", maker.saved()}, maker.names()...)...)
}

func (s side) load(t *testing.T, maker side) {
	t.Helper()
	s.run(t, "load", "-q", "-i", maker.saved())
}

// forget removes the images that were made on a side, and what the builders
// keep of them, so that docker load makes every layer anew.
func (s side) forget(t *testing.T, maker side) {
	t.Helper()
	var old []string
	for _, name := range maker.names() {
		old = append(old, topLayer(t, s.dockerd, name))
	}
	s.run(t, append([]string{"rmi"}, maker.names()...)...)
	s.run(t, "builder", "prune", "-a", "-f")
	known := strings.Join(layerIDs(t, s.dockerd), " ")
	for _, id := range old {
		if strings.Contains(known, id) {
			t.Errorf("%s still has layer %s", s.Driver, id)
		}
	}
}

// images are what a side shows of images that were made on it or on another:
// ID and tree.
func (s side) images(t *testing.T, maker side) (ids map[string]string, trees map[string]tree) {
	t.Helper()
	ids, trees = map[string]string{}, map[string]tree{}
	for kind := range kinds {
		ids[kind] = s.image(t, maker.name(kind)).ID
		trees[kind] = s.read(t, maker.name(kind))
	}
	return ids, trees
}

// savedImagesLoadThereAndBack loads each side's images on the other, and those
// of dmthin on dmthin again, as overlay2 saved them.
func savedImagesLoadThereAndBack(t *testing.T, c *comparison) {
	ids, trees := c.dmthin.images(t, c.dmthin)
	requireSparse(t, "made on dmthin", trees)
	theirIDs, theirTrees := c.overlay2.images(t, c.overlay2)
	if !c.both(t, "load", func(t *testing.T, s side) {
		if s.Driver == c.dmthin.Driver {
			s.load(t, c.overlay2)
		} else {
			s.load(t, c.dmthin)
		}
	}) {
		t.FailNow()
	}
	requireSameImages := func(what string, wantIDs map[string]string, want map[string]tree, on, maker side) {
		gotIDs, got := on.images(t, maker)
		for kind := range kinds {
			if gotIDs[kind] != wantIDs[kind] {
				t.Errorf("%s: %s has ID %s, want %s", what, kind, gotIDs[kind], wantIDs[kind])
			}
			requireSameTree(t, what+": "+kind, want[kind].comparable().wholeSeconds(), got[kind].comparable().wholeSeconds())
		}
		if on.Driver == c.dmthin.Driver {
			requireSparse(t, what, got)
		}
	}
	requireSameImages("made on dmthin, loaded on overlay2", ids, trees, c.overlay2, c.dmthin)
	requireSameImages("made on overlay2, loaded on dmthin", theirIDs, theirTrees, c.dmthin, c.overlay2)
	c.overlay2.save(t, c.dmthin)
	c.dmthin.forget(t, c.dmthin)
	c.dmthin.load(t, c.dmthin)
	requireSameImages("made on dmthin, loaded on overlay2 and on dmthin again", ids, trees, c.dmthin, c.dmthin)
}

// requireSparse looks for the holes of the file that has some.
func requireSparse(t *testing.T, what string, images map[string]tree) {
	t.Helper()
	for kind, image := range images {
		if !strings.HasSuffix(image["data/sparse"], " sparse") {
			t.Errorf("%s: data/sparse of %s is not sparse: %q", what, kind, image["data/sparse"])
		}
	}
}

// removeSaved deletes the files that save wrote; absent where it failed.
func (c *comparison) removeSaved() {
	for _, s := range []side{c.dmthin, c.overlay2} {
		_ = os.Remove(s.saved())
	}
}
