//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// layersOfMany is how many layers the image "many" has above its first.
const layersOfMany = 8

// importImages makes the images busybox and odd.
func importImages(t *testing.T, s *stack) {
	t.Helper()
	importImage(t, s.docker, "busybox", busyboxFiles(t)...)
	importImage(t, s.docker, "odd", append(busyboxFiles(t), oddFiles()...)...)
}

// importAndLoad makes the images that the other subtests use: busybox, odd
// and many.
func importAndLoad(t *testing.T, s *stack) {
	importImages(t, s)
	s.runWith(t, nil, bytes.NewReader(savedImage(t, "many:latest", manyLayers(t, layersOfMany)...)), "load")
	if t.Failed() {
		return
	}
	odd := s.client(t).readLayer(t, topLayer(t, s.dockerd, "odd"))
	requireSameTree(t, "the odd image", oddTree(), onlyBelow(odd, "odd/"))
	requireManyLayers(t, s)
}

// requireManyLayers looks for what each layer of the image "many" did.
func requireManyLayers(t *testing.T, s *stack) {
	t.Helper()
	want := map[string]string{"shared": fmt.Sprintf("file 644 %d", layersOfMany), "gone": "dir 755 " + fmt.Sprint(layersOfMany)}
	for i := range layersOfMany {
		want[fmt.Sprintf("each/%d", i+1)] = fmt.Sprintf("file 644 %d", i+1)
	}
	requireFiles(t, s, "many", want)
}

func pushAndPull(t *testing.T, s *stack) {
	const name = registryAddress + "/many:latest"
	id := s.image(t, "many").ID
	s.run(t, "tag", "many", name)
	s.run(t, "push", "-q", name)
	s.run(t, "rmi", name, "many")
	s.run(t, "pull", "-q", name)
	s.run(t, "tag", name, "many")
	if got := s.image(t, "many").ID; got != id {
		t.Errorf("the pulled image has ID %s, the pushed one %s", got, id)
	}
	requireManyLayers(t, s)
}

// saveAndLoad shows that all layers, those of commit and build included, come out of the driver as they went in: docker load recomputes
// every layer's digest.
func saveAndLoad(t *testing.T, s *stack) {
	images := []string{"odd", "many", "committed", "classic"}
	ids := func() (all []string) {
		for _, name := range images {
			all = append(all, s.image(t, name).ID)
		}
		return all
	}
	before := ids()
	file := filepath.Join(env.data, "saved.tar")
	t.Cleanup(func() { _ = os.Remove(file) }) // absent where the save failed
	s.run(t, append([]string{"save", "-o", file}, images...)...)
	s.run(t, append([]string{"rmi", "-f"}, images...)...)
	s.run(t, "load", "-q", "-i", file)
	if diff := cmp.Diff(before, ids()); diff != "" {
		t.Errorf("image IDs (-before +after save, rmi and load):\n%s", diff)
	}
}

// topLayer is the driver's ID of an image's last layer.
func topLayer(t *testing.T, d *dockerd, image string) string {
	t.Helper()
	ids := d.image(t, image).RootFS.Layers
	chain := ids[0]
	for _, id := range ids[1:] {
		chain = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(chain+" "+id)))
	}
	path := filepath.Join(d.Root, "image", d.Driver, "layerdb", strings.Replace(chain, ":", "/", 1), "cache-id")
	id, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

// requireFiles looks for some paths of an image, each described by sketch.
func requireFiles(t *testing.T, s *stack, image string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	s.client(t).look(t, topLayer(t, s.dockerd, image), func(dir string) {
		for path := range want {
			got[path] = sketch(filepath.Join(dir, path))
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files of image %s (-want +got):\n%s", image, diff)
	}
}

// sketch says what a path is and holds, in a few words.
func sketch(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return "absent"
	}
	switch mode := fmt.Sprintf("%o", info.Mode().Perm()); info.Mode().Type() {
	case 0:
		text, err := os.ReadFile(path)
		return strings.TrimSuffix(fmt.Sprintf("file %s %s%s", mode, text, orNothing(err)), "\n")
	case fs.ModeDir:
		entries, err := os.ReadDir(path)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return fmt.Sprintf("dir %s %s%s", mode, strings.Join(names, " "), orNothing(err))
	case fs.ModeSymlink:
		target, err := os.Readlink(path)
		return fmt.Sprintf("link %s%s", target, orNothing(err))
	default:
		return info.Mode().String()
	}
}

func orNothing(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}

func onlyBelow(all tree, prefix string) tree {
	some := tree{}
	for path, text := range all {
		if strings.HasPrefix(path, prefix) {
			some[path] = text
		}
	}
	return some
}

// oddTree is how the odd files must look once they are a layer.
func oddTree() tree {
	want := tree{}
	for _, f := range oddFiles()[1:] {
		text := fmt.Sprintf("mode %o owner %d:%d", oddMode(f), f.Uid, f.Gid)
		links := 1
		switch f.Name {
		case "odd/hard":
			want["odd/linked"] = "same file as odd/hard"
			continue
		case "odd/linked", "odd/sticky/":
			links = 2
		}
		modified := f.ModTime
		if modified.IsZero() {
			modified = longAgo
		}
		text += fmt.Sprintf(" links %d time %d.%09d", links, modified.Unix(), modified.Nanosecond())
		for record, value := range f.PAXRecords {
			text += fmt.Sprintf(" %s=%x", strings.TrimPrefix(record, "SCHILY.xattr."), value)
		}
		name := strings.TrimSuffix(f.Name, "/")
		if f.Name == "odd/linked" {
			name = "odd/hard" // the walk comes to it first
		}
		want[name] = text + oddContent(f)
	}
	return want
}

func oddMode(f tarFile) int64 {
	return f.Mode | map[byte]int64{
		tar.TypeReg: unix.S_IFREG, tar.TypeDir: unix.S_IFDIR, tar.TypeSymlink: unix.S_IFLNK,
		tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO,
	}[f.Typeflag]
}

func oddContent(f tarFile) string {
	switch f.Typeflag {
	case tar.TypeReg:
		return fmt.Sprintf(" size %d sum %x", len(f.Content), sha256.Sum256(f.Content))
	case tar.TypeSymlink:
		return " to " + f.Linkname
	case tar.TypeChar, tar.TypeBlock:
		return fmt.Sprintf(" device %d:%d", f.Devmajor, f.Devminor)
	}
	return ""
}
