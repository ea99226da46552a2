package diff

import (
	"archive/tar"
	"bytes"
	"context"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp/cmpopts"
	archive "github.com/moby/go-archive"
	"pgregory.net/rapid"
)

// TestUnpackedTreesEqualDockers unpacks tars that no exporter would write: names
// twice, links to links, whiteouts of what the same tar brought.
func TestUnpackedTreesEqualDockers(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		trees := makeTrees(t, base, someOperations(false).Draw(t, "before"), 2)
		ours, dockers := trees[0], trees[1]
		stream := someTarball(t)
		want, theirErr := archive.ApplyUncompressedLayer(dockers, bytes.NewReader(stream), &archive.TarOptions{})
		got, err := Apply(context.Background(), ours, bytes.NewReader(stream), IDMaps{})
		if refusedByDockerOnly(theirErr) {
			return
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("we say %v, Docker says %v", err, theirErr)
		}
		if err != nil {
			return
		}
		if got != want {
			t.Fatalf("unpacked size is %d, Docker says %d", got, want)
		}
		// Docker's unpacker gives the time of a folder to whatever replaces it
		// later in the tar, or to what such a link points to.
		sameTrees(t, dockers, ours, cmpopts.IgnoreFields(entry{}, "ModTime"))
	})
}

func refusedByDockerOnly(err error) bool {
	if err == nil {
		return false
	}
	// A chroot keeps ".." at its top, which Docker's later versions refuse.
	// Times are set last, and fail for folders that a whiteout removed again.
	return strings.Contains(err.Error(), "path escapes") || strings.Contains(err.Error(), "chtimes")
}

// someTarball draws a tar that either uses folders without listing them or has
// opaque marks: with both, Docker's unpacker removes what the tar itself brought.
func someTarball(t *rapid.T) []byte {
	b := newTarball(t)
	kinds := []string{"dir", "dir", "file", "file", "symlink", "link", "fifo", "whiteout"}
	listed := rapid.Bool().Draw(t, "folders listed")
	if listed {
		kinds = append(kinds, "opaque")
	}
	for range rapid.IntRange(1, 12).Draw(t, "entries") {
		name, kind := somePath().Draw(t, "name"), rapid.SampledFrom(kinds).Draw(t, "type")
		if kind == "opaque" {
			name = path.Join(name, opaqueName)
		}
		for i, c := range name {
			if listed && c == '/' {
				b.dir(name[:i])
			}
		}
		addSomeEntry(t, b, name, kind)
	}
	return b.bytes()
}

func addSomeEntry(t *rapid.T, b *tarball, name, kind string) {
	mode := someMode().Draw(t, "mode")
	h := tar.Header{Name: name, Mode: int64(mode.Perm() | 0o600), Format: tar.FormatPAX}
	switch kind {
	case "dir":
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", h.Mode|0o700
	case "file":
		h.Typeflag = tar.TypeReg
		b.add(h, rapid.StringN(0, 20, 80).Draw(t, "content"))
		return
	case "symlink":
		h.Typeflag = tar.TypeSymlink
		h.Linkname = rapid.SampledFrom([]string{"a", "b", "/b", "../a", "nowhere"}).Draw(t, "target")
	case "link":
		h.Typeflag, h.Linkname = tar.TypeLink, somePath().Draw(t, "target")
	case "fifo":
		h.Typeflag = tar.TypeFifo
	case "whiteout":
		h.Typeflag, h.Name = tar.TypeReg, path.Join(path.Dir(name), whiteoutPrefix+path.Base(name))
	case "opaque":
		h.Typeflag = tar.TypeReg
	}
	b.add(h, "")
}
