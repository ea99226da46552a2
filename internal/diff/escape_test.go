package diff

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fenced makes a layer with a sibling that no tar may touch. check compares the
// sibling with how it was.
func fenced(t testing.TB) (layer string, check func()) {
	t.Helper()
	base := t.TempDir()
	layer = filepath.Join(base, "layer")
	if err := os.Mkdir(layer, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(base, "outside", "file"), "untouched")
	write(t, filepath.Join(base, "outside", "folder", "file"), "untouched")
	if err := os.Symlink("file", filepath.Join(base, "outside", "link")); err != nil {
		t.Fatal(err)
	}
	before := describe(t, filepath.Join(base, "outside"), true)
	return layer, func() {
		t.Helper()
		if d := cmp.Diff(before, describe(t, filepath.Join(base, "outside"), true)); d != "" {
			t.Errorf("the tar changed something outside of the layer:\n%s", d)
		}
		names, err := os.ReadDir(base)
		if err != nil || len(names) != 2 {
			t.Errorf("the tar left something beside the layer: %v, %v", names, err)
		}
	}
}

func TestApplyRefusesNamesThatLeadOutside(t *testing.T) {
	tests := map[string]func(*tarball){
		"file":                  func(b *tarball) { b.file("../outside/new", "x") },
		"file below a folder":   func(b *tarball) { b.dir("a").file("a/../../outside/new", "x") },
		"absolute with dots":    func(b *tarball) { b.file("/../outside/new", "x") },
		"folder":                func(b *tarball) { b.dir("../outside") },
		"parent itself":         func(b *tarball) { b.dir("..") },
		"symlink":               func(b *tarball) { b.symlink("../outside/new", "file") },
		"hard link name":        func(b *tarball) { b.file("a", "").link("../outside/new", "a") },
		"hard link target":      func(b *tarball) { b.link("a", "../outside/file") },
		"absolute link target":  func(b *tarball) { b.link("a", "/../outside/file") },
		"hard link to the top":  func(b *tarball) { b.link("a", ".") },
		"whiteout":              func(b *tarball) { b.file("../outside/.wh.file", "") },
		"whiteout of dots":      func(b *tarball) { b.dir("a").file("a/.wh...", "") },
		"whiteout of dots, top": func(b *tarball) { b.file(".wh...", "") },
		"whiteout of one dot":   func(b *tarball) { b.dir("a").file("a/.wh..", "") },
		"whiteout of nothing":   func(b *tarball) { b.dir("a").file("a/.wh.", "") },
		"opaque mark":           func(b *tarball) { b.file("../outside/.wh..wh..opq", "") },
		"aufs link pool":        func(b *tarball) { b.file("../.wh..wh.plnk/1", "x") },
	}
	for name, build := range tests {
		t.Run(name, func(t *testing.T) {
			layer, check := fenced(t)
			b := newTarball(t)
			build(b)
			_, err := apply(t, layer, b.bytes())
			if !errors.Is(err, ErrOutside) {
				t.Errorf("got error %v, want %v", err, ErrOutside)
			}
			check()
		})
	}
}

func TestApplyKeepsLinksInsideTheLayer(t *testing.T) {
	outside := func(layer string) string { return filepath.Join(filepath.Dir(layer), "outside") }
	tests := map[string]func(b *tarball, layer string){
		"file through a link": func(b *tarball, l string) { b.symlink("a", outside(l)).file("a/file", "x") },
		"file through dots":   func(b *tarball, _ string) { b.symlink("a", "../outside").file("a/file", "x") },
		"folder through a link": func(b *tarball, l string) {
			b.symlink("a", outside(l)).dir("a/folder").file("a/folder/file", "x")
		},
		"link through a link": func(b *tarball, l string) {
			b.symlink("a", outside(l)).symlink("b", "a").file("b/file", "x")
		},
		"onto a link": func(b *tarball, l string) { b.symlink("a", outside(l)+"/file").file("a", "x") },
		"folder onto a link": func(b *tarball, l string) {
			b.symlink("a", outside(l)).dir("a").file("a/file", "x")
		},
		"whiteout through a link": func(b *tarball, l string) { b.symlink("a", outside(l)).file("a/.wh.file", "") },
		"opaque through a link":   func(b *tarball, l string) { b.symlink("a", outside(l)).file("a/.wh..wh..opq", "") },
		"opaque top":              func(b *tarball, l string) { b.symlink("a", outside(l)).file(".wh..wh..opq", "") },
		"whiteout of a link":      func(b *tarball, l string) { b.symlink("a", outside(l)).file(".wh.a", "") },
		"absolute name":           func(b *tarball, l string) { b.file(outside(l)+"/file", "x") },
		"fifo through a link":     func(b *tarball, l string) { b.symlink("a", outside(l)).fifo("a/fifo") },
		"times of a replaced folder": func(b *tarball, l string) {
			b.dir("a").dir("a/folder").file(".wh.a", "").symlink("a", outside(l))
		},
		"name with a newline": func(b *tarball, _ string) { b.file("a\n../outside/file", "x") },
	}
	for name, build := range tests {
		t.Run(name, func(t *testing.T) {
			layer, check := fenced(t)
			b := newTarball(t)
			build(b, layer)
			mustApply(t, layer, b.bytes())
			check()
		})
	}
}

func TestHardLinkDoesNotFollowALinkOut(t *testing.T) {
	layer, check := fenced(t)
	secret := filepath.Join(filepath.Dir(layer), "outside")
	_, err := apply(t, layer, newTarball(t).symlink("a", secret).link("b", "a/file").bytes())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want one that says the target doesn't exist", err)
	}
	// A link to a link is the link itself, not what it points to.
	mustApply(t, layer, newTarball(t).symlink("c", secret+"/file").link("d", "c").bytes())
	if target, err := os.Readlink(filepath.Join(layer, "d")); err != nil || target != secret+"/file" {
		t.Errorf("d is a link to %q, %v", target, err)
	}
	check()
}

func FuzzApply(f *testing.F) {
	f.Add(newTarball(f).dir("a").file("a/b", "content").symlink("c", "../a").link("d", "a/b").bytes())
	f.Add(newTarball(f).file("../outside/new", "x").bytes())
	f.Add(newTarball(f).symlink("a", "../outside").file("a/file", "x").bytes())
	f.Add(newTarball(f).file("a/.wh.b", "").file("a/.wh..wh..opq", "").file(".wh...", "").bytes())
	f.Add(newTarball(f).file(".wh..wh.plnk/1", "x").link("a", "/.wh..wh.plnk/1").bytes())
	f.Add(newTarball(f).fifo("a\nb").dir("").dir("/").bytes())
	f.Add(sparseTar(f, 1<<20, 1<<19, "data"))
	f.Add([]byte(nil))
	checkDescriptors(f)
	f.Fuzz(func(t *testing.T, stream []byte) {
		layer, check := fenced(t)
		// A few bytes may stand for a hole of exabytes.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := openDescriptors(t)
		size, err := Apply(ctx, layer, bytes.NewReader(stream), ownIDs())
		if size < 0 || err != nil && size != 0 {
			t.Errorf("got size %d with error %v", size, err)
		}
		if after := openDescriptors(t); after > before {
			t.Errorf("%d descriptors were open before and %d after", before, after)
		}
		check()
	})
}
