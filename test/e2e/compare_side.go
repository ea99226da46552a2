//go:build e2e

package e2e

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// side is a dockerd on one of the two storage drivers that are compared.
type side struct {
	*dockerd

	// read reads the tree of an image.
	read func(t *testing.T, image string) tree
}

func dmthinSide(t *testing.T) (side, *stack) {
	t.Helper()
	s := hostStack(t, "compare-dmthin")
	return side{dockerd: s.dockerd, read: func(t *testing.T, image string) tree {
		t.Helper()
		return s.client(t).readLayer(t, topLayer(t, s.dockerd, image))
	}}, s
}

// overlay2Side fails where overlay2 compares folders to make a diff, as it
// does on some kernels: it would be no witness.
func overlay2Side(t *testing.T) side {
	t.Helper()
	const name = "compare-overlay2"
	d := startDockerd(t, dockerdConfig{Name: name, Root: freshRoot(t, name), Driver: "overlay2"})
	if _, rows := d.info(t); !slices.Contains(rows, [2]string{"Native Overlay Diff", "true"}) {
		t.Fatalf("overlay2 makes no diffs of its own: %q", rows)
	}
	return side{dockerd: d, read: func(t *testing.T, image string) tree {
		t.Helper()
		return readOverlay(t, d.image(t, image).GraphDriver.Data)
	}}
}

// readOverlay mounts an image's layers for reading. docker inspect names their
// folders.
func readOverlay(t *testing.T, layers map[string]string) tree {
	t.Helper()
	point, empty := t.TempDir(), t.TempDir()
	// overlayfs wants two layers.
	lower := "lowerdir=" + layers["UpperDir"] + ":" + empty
	if below := layers["LowerDir"]; below != "" {
		lower = "lowerdir=" + layers["UpperDir"] + ":" + below
	}
	if err := unix.Mount("overlay", point, "overlay", unix.MS_RDONLY, lower); err != nil {
		t.Fatalf("mount overlay with %s: %v", lower, err)
	}
	defer func() {
		if err := unix.Unmount(point, 0); err != nil {
			t.Error(err)
		}
	}()
	return readTree(t, point)
}

// kinds are the ways in which images are made, each with the number of layers
// that it adds.
var kinds = map[string]int{"commit": 1, "classic": 4, "buildkit": 4}

// name is that of an image made on this side.
func (s side) name(kind string) string { return s.Driver + "-" + kind + ":latest" }

func (s side) names() (names []string) {
	for kind := range kinds {
		names = append(names, s.name(kind))
	}
	slices.Sort(names)
	return names
}

// saved is the file in which a side's images are saved.
func (s side) saved() string { return filepath.Join(env.data, s.Driver+".tar") }

var (
	linkCount = regexp.MustCompile(` links \d+`)
	fraction  = regexp.MustCompile(`( time \d+)\.\d+`)
)

// comparable leaves out of a tree what overlayfs shows differently and what
// Docker unpacks differently on overlay2: the time of the top, which is in no
// tar; the number of links, which overlayfs does not know of folders, nor of
// files of which a layer above removed a name (which names are one file stays);
// holes, which Docker fills.
func (t tree) comparable() tree {
	result := tree{}
	for path, text := range t.without(".") {
		result[path] = strings.TrimSuffix(linkCount.ReplaceAllString(text, ""), " sparse")
	}
	return result
}

// wholeSeconds leaves out what a layer's tar has not.
func (t tree) wholeSeconds() tree {
	result := tree{}
	for path, text := range t {
		result[path] = fraction.ReplaceAllString(text, "$1")
	}
	return result
}
