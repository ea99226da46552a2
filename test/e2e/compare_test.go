//go:build e2e

package e2e

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// comparison is dmthin beside overlay2, each with its own dockerd.
type comparison struct {
	dmthin, overlay2 side

	run time.Time // before anything was made
}

// TestImagesAreThoseOfOverlay2 looks for anything that tells the images of the
// two drivers apart. The subtests build on each other.
//
//vm:once
//vm:long
func TestImagesAreThoseOfOverlay2(t *testing.T) {
	before := kernelObjects(t)
	dmthin, s := dmthinSide(t)
	// A layer's tar has whole seconds, and the kernel's clock for files is
	// some milliseconds late.
	c := &comparison{dmthin: dmthin, overlay2: overlay2Side(t), run: time.Now().Add(-2 * time.Second)}
	t.Cleanup(c.removeSaved)
	if t.Run("import and load", func(t *testing.T) { importsAndLoadsAreTheSame(t, c) }) &&
		c.both(t, "make images", makeImages) &&
		c.both(t, "save images", func(t *testing.T, s side) { s.save(t, s) }) {
		t.Run("commit and both builders", func(t *testing.T) { layersHaveTheSameEntries(t, c) })
		t.Run("saved images", func(t *testing.T) { savedImagesLoadThereAndBack(t, c) })
	}
	c.overlay2.stop(t)
	s.stop(t)
	requireNothingLeft(t, before)
}

// both does the same on both sides at the same time.
func (c *comparison) both(t *testing.T, what string, do func(t *testing.T, s side)) bool {
	t.Helper()
	return t.Run(what, func(t *testing.T) {
		for _, s := range []side{c.dmthin, c.overlay2} {
			t.Run(s.Driver, func(t *testing.T) {
				t.Parallel()
				do(t, s)
			})
		}
	})
}

// importsAndLoadsAreTheSame compares what both make of one tar. The ID of an
// imported image is not compared: Docker makes it of the time of the import.
func importsAndLoadsAreTheSame(t *testing.T, c *comparison) {
	imported := tarOf(t, changedImage(t)...)
	loaded := savedImage(t, "loaded:latest", imported, tarOf(t, loadedFiles()...))
	if !c.both(t, "docker", func(t *testing.T, s side) {
		s.runWith(t, nil, bytes.NewReader(imported), "import", "-", "changed")
		s.runWith(t, nil, bytes.NewReader(loaded), "load")
	}) {
		t.FailNow()
	}
	for _, name := range []string{"changed", "loaded"} {
		ours, theirs := c.dmthin.image(t, name), c.overlay2.image(t, name)
		if diff := cmp.Diff(theirs.RootFS, ours.RootFS); diff != "" {
			t.Errorf("layers of %s (-overlay2 +dmthin):\n%s", name, diff)
		}
		if name == "loaded" && ours.ID != theirs.ID {
			t.Errorf("the loaded image has ID %s on dmthin, %s on overlay2", ours.ID, theirs.ID)
		}
		requireSameTree(t, name, c.overlay2.read(t, name).comparable(), c.dmthin.read(t, name).comparable())
	}
}

// loadedFiles are a layer above the image that is changed, with whiteouts in
// all the forms that tars have, and names that change their type.
func loadedFiles() []tarFile {
	return []tarFile{
		directory("data/"),
		regular("data/.wh.removed", ""), regular("data/.wh.removed-dir", ""), regular("data/.wh.absent", ""),
		directory("data/opaque/"), regular("data/opaque/again", "above"), regular("data/opaque/.wh..wh..opq", ""),
		directory("data/file-to-dir/"), regular("data/file-to-dir/inside", ""), regular("data/dir-to-file", "above"),
		symlink("data/link", "above"), regular("data/capable-kept", "without a capability"),
		directory("data/dir/"), regular("data/pair", "one inode"), hardLink("data/dir/pair", "data/pair"),
	}
}
