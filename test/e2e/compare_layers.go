//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// layerTar is what a layer's tar says, whatever the order of its entries: each
// path with all that counts of it in one line.
//
// Of a whiteout only its name counts. Docker gives it the time of the removal
// or of the tar, and the mode 0600 or none, depending on the driver. Names of
// owners don't count: Docker 20.10 wrote them, as the host knows them, and
// later ones don't.
type layerTar map[string]string

const (
	whiteout   = "removed"
	opaque     = "removed below"
	opaqueMark = ".wh..wh..opq"
)

// readLayerTar reads a layer's tar. Times since the given one are those of the
// test's own run and are all the same: nothing could repeat them.
func readLayerTar(tb testing.TB, data []byte, run time.Time) layerTar {
	tb.Helper()
	layer := layerTar{}
	links := map[string][]string{} // names by the first of them
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		name := path.Clean(h.Name)
		dir, base := path.Split(name)
		switch {
		case base == opaqueMark:
			layer[name] = opaque
		case strings.HasPrefix(base, ".wh."):
			layer[dir+strings.TrimPrefix(base, ".wh.")] = whiteout
		case h.Typeflag == tar.TypeLink:
			first := path.Clean(h.Linkname)
			links[first] = append(links[first], name)
		default:
			layer[name] = describeEntry(tb, h, r, run)
		}
	}
	// Which of a file's names has the content depends on the order.
	for first, names := range links {
		names = append(names, first)
		slices.Sort(names)
		text := fmt.Sprintf("%s names %q", layer[first], names)
		for _, name := range names {
			layer[name] = text
		}
	}
	return layer
}

func describeEntry(tb testing.TB, h *tar.Header, content io.Reader, run time.Time) string {
	tb.Helper()
	modified := h.ModTime.UTC().Format(time.RFC3339Nano)
	if !h.ModTime.Before(run) && h.ModTime.Before(time.Now().Add(time.Minute)) {
		modified = "of this run"
	}
	text := fmt.Sprintf("type %c mode %o owner %d:%d time %s", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, modified)
	for _, record := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if name, ok := strings.CutPrefix(record, "SCHILY.xattr."); ok {
			text += fmt.Sprintf(" %s=%x", name, h.PAXRecords[record])
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		hash := sha256.New()
		if _, err := io.Copy(hash, content); err != nil {
			tb.Fatal(err)
		}
		text += fmt.Sprintf(" size %d sum %x", h.Size, hash.Sum(nil))
	case tar.TypeSymlink:
		text += fmt.Sprintf(" to %q", h.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		text += fmt.Sprintf(" device %d:%d", h.Devmajor, h.Devminor)
	}
	return text
}

func (l layerTar) isFolder(name string) bool { return strings.HasPrefix(l[name], "type 5 ") }

// explicit replaces the marks of opaque folders by whiteouts of what they hide
// of the layers below. overlayfs marks every folder made since, be there one of
// that name below or not; who compares folders has the single removals. The
// layer that results is the same.
func (l layerTar) explicit(below layerTar) layerTar {
	result := maps.Clone(l)
	for mark, text := range l {
		if text != opaque {
			continue
		}
		delete(result, mark)
		folder := path.Dir(mark)
		for name := range below {
			if _, stays := l[name]; strings.HasPrefix(name, folder+"/") && !stays && l.isFolder(path.Dir(name)) {
				result[name] = whiteout
			}
		}
	}
	return result
}

// onto is what docker load makes of layers below and this one, opaque marks
// aside.
func (l layerTar) onto(below layerTar) layerTar {
	result := layerTar{}
	for name, text := range below {
		hidden := false
		for at := name; at != "."; at = path.Dir(at) {
			_, replaced := l[at]
			hidden = hidden || replaced && !l.isFolder(at)
		}
		if !hidden {
			result[name] = text
		}
	}
	for name, text := range l {
		if text != whiteout {
			result[name] = text
		}
	}
	return result
}

// savedTars are the layers' tars, the lowest first, of each image in a file
// that docker save wrote.
func savedTars(tb testing.TB, file string) map[string][][]byte {
	tb.Helper()
	content, links := savedFiles(tb, file)
	var manifest []struct{ RepoTags, Layers []string }
	if err := json.Unmarshal(content["manifest.json"], &manifest); err != nil {
		tb.Fatalf("%s: manifest.json: %v", file, err)
	}
	images := map[string][][]byte{}
	for _, image := range manifest {
		for _, layer := range image.Layers {
			if target, ok := links[layer]; ok { // Docker 20.10 saves a shared layer once
				layer = path.Join(path.Dir(layer), target)
			}
			for _, tag := range image.RepoTags {
				images[tag] = append(images[tag], content[layer])
			}
		}
	}
	return images
}

func savedFiles(tb testing.TB, file string) (content map[string][]byte, links map[string]string) {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	content, links = map[string][]byte{}, map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return content, links
		}
		if err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		if h.Typeflag == tar.TypeSymlink {
			links[h.Name] = h.Linkname
			continue
		}
		if content[h.Name], err = io.ReadAll(r); err != nil {
			tb.Fatalf("%s: %s: %v", file, h.Name, err)
		}
	}
}
