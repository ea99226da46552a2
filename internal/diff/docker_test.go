package diff

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	archive "github.com/moby/go-archive"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// Docker's own code is the judge of the properties in this file.

func TestChangesAndTarsEqualDockers(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) { checkAgainstDocker(t, base, false) })
}

func checkAgainstDocker(t *rapid.T, base string, root bool) {
	before := someOperations(root).Draw(t, "before")
	after := someOperations(root).Draw(t, "after")
	trees := makeTrees(t, base, before, 4)
	parent, layer, ours, dockers := trees[0], trees[1], trees[2], trees[3]
	perform(layer, after)

	changes := changesLikeDocker(t, layer, parent)
	tarball := exportLikeDocker(t, layer, changes)
	treeLikeDocker(t, layer)
	applyLikeDocker(t, ours, dockers, tarball)
	dropFractions(t, layer)
	dropFractions(t, ours)
	left, err := Changes(context.Background(), ours, layer)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Fatalf("a parent with the layer's tar on it differs from the layer: %v", left)
	}
}

// dropFractions gives all below a folder times of whole seconds, as tars have them.
func dropFractions(t *rapid.T, dir string) {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		s := mustStat(t, path)
		at := timespec(s.modified().Truncate(time.Second))
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func changesLikeDocker(t *rapid.T, layer, parent string) []Change {
	got, err := Changes(context.Background(), layer, parent)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := archive.ChangesDirs(layer, parent)
	if err != nil {
		t.Fatal(err)
	}
	var want []Change
	for _, c := range theirs {
		want = append(want, Change{c.Path, Kind(c.Kind)})
	}
	want = withNewLinks(t, layer, parent, got, want)
	slices.SortFunc(want, comparePaths)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("changes (-docker +ours):\n%s", d)
	}
	theirs = theirs[:0] // from here on of the same changes
	for _, c := range want {
		theirs = append(theirs, archive.Change{Path: c.Path, Kind: archive.ChangeType(c.Kind)})
	}
	size, err := Size(context.Background(), layer, got)
	if err != nil {
		t.Fatal(err)
	}
	if want := archive.ChangesSize(layer, theirs); size != want {
		t.Fatalf("size is %d, Docker says %d", size, want)
	}
	return got
}

// withNewLinks adds what Docker's comparison of folders misses and overlay2 does
// not: files that have got another name, and the folders on the way to them.
func withNewLinks(t *rapid.T, layer, parent string, ours, dockers []Change) []Change {
	known := map[string]bool{}
	for _, c := range dockers {
		known[c.Path] = true
	}
	add := func(path string) {
		if !known[path] && path != "/" {
			known[path] = true
			dockers = append(dockers, Change{path, Modified})
		}
	}
	for _, c := range ours {
		if c.Kind != Modified || known[c.Path] {
			continue
		}
		after, before := mustStat(t, layer+c.Path), mustStat(t, parent+c.Path)
		if !linked(&after, &before) {
			continue // a folder on the way, or a mistake that is to show
		}
		for path := c.Path; path != "/"; path = filepath.Dir(path) {
			add(path)
		}
	}
	return dockers
}

func mustStat(t *rapid.T, path string) stat {
	s, err := lstatAt(unix.AT_FDCWD, path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exportLikeDocker(t *rapid.T, layer string, changes []Change) []byte {
	var theirs []archive.Change
	for _, c := range changes {
		theirs = append(theirs, archive.Change{Path: c.Path, Kind: archive.ChangeType(c.Kind)})
	}
	r, err := archive.ExportChanges(layer, theirs, IDMaps{})
	if err != nil {
		t.Fatal(err)
	}
	want := readTar(t, r)
	var got bytes.Buffer
	if err := WriteChanges(context.Background(), &got, layer, changes, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, readTar(t, bytes.NewReader(got.Bytes()))); d != "" {
		t.Fatalf("tar entries (-docker +ours):\n%s", d)
	}
	return got.Bytes()
}

func treeLikeDocker(t *rapid.T, layer string) {
	r, err := archive.TarWithOptions(layer, &archive.TarOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := WriteAll(context.Background(), &got, layer, IDMaps{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		d := cmp.Diff(readTar(t, bytes.NewReader(want)), readTar(t, &got))
		t.Fatalf("the tar of a tree differs (-docker +ours):\n%s", d)
	}
}

func applyLikeDocker(t *rapid.T, ours, dockers string, tarball []byte) {
	want, err := archive.ApplyUncompressedLayer(dockers, bytes.NewReader(tarball), &archive.TarOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Apply(context.Background(), ours, bytes.NewReader(tarball), IDMaps{})
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("unpacked size is %d, Docker says %d", got, want)
	}
	withoutLostCapabilities(t, dockers, ours)
	sameTrees(t, dockers, ours)
}

// withoutLostCapabilities takes from Docker's folders what the layer's have lost,
// which Docker forgets; that ours are the layer's is checked by comparing both.
func withoutLostCapabilities(t *rapid.T, dockers, ours string) {
	got := describe(t, ours, false)
	for name, e := range describe(t, dockers, false) {
		_, theirs := e.Xattrs[capabilityXattr]
		_, kept := got[name].Xattrs[capabilityXattr]
		if e.Mode.IsDir() && theirs && !kept {
			if err := unix.Lremovexattr(filepath.Join(dockers, name), capabilityXattr); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func sameTrees(t *rapid.T, want, got string, opts ...cmp.Option) {
	if d := cmp.Diff(describe(t, want, false), describe(t, got, false), opts...); d != "" {
		t.Fatalf("trees differ (-docker +ours):\n%s", d)
	}
}

// tarEntry is one entry with its content.
type tarEntry struct {
	Header  tar.Header
	Content string
}

// readTar reads a tar, without the times of whiteouts: Docker's are the clock's.
func readTar(t fataler, r io.Reader) []tarEntry {
	t.Helper()
	var entries []tarEntry
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatalf("read tar: %v", err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("read tar: %v", err)
		}
		if base := h.Name[strings.LastIndex(h.Name, "/")+1:]; strings.HasPrefix(base, whiteoutPrefix) {
			h.ModTime = time.Time{}
		}
		entries = append(entries, tarEntry{*h, string(content)})
	}
}

func TestLayerWithoutParentIsAllAdded(t *testing.T) {
	layer := t.TempDir()
	write(t, layer+"/a/b", "x")
	write(t, layer+"/c", "y")
	if err := os.Symlink("/a", layer+"/d"); err != nil {
		t.Fatal(err)
	}
	got, err := Changes(context.Background(), layer, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{{"/a", Added}, {"/a/b", Added}, {"/c", Added}, {"/d", Added}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
