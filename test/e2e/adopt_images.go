//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const (
	longChain = 15 // images
	forkedAt  = 6  // layers that a second chain shares with it
	forkEnd   = 13 // images in that
)

// manyImages makes 30 images: a chain, one that leaves it half way, one that
// changes odd files in each way, and single ones.
func (h *adoptHost) manyImages(t *testing.T) {
	t.Helper()
	importImage(t, h.builtIn.docker, "busybox", busyboxFiles(t)...)
	many := manyLayers(t, longChain)
	h.load(t, "many", many)
	h.top, h.chain = fmt.Sprintf("many%d", longChain), longChain
	fork := many[:forkedAt:forkedAt]
	for i := forkedAt; i <= forkEnd; i++ {
		fork = append(fork, tarOf(t, directory("fork/"), regular(fmt.Sprintf("fork/%d", i), fmt.Sprint(i)), regular("each/.wh..wh..opq", "")))
	}
	h.load(t, "fork", fork)
	h.load(t, "odd", append(many[:1:1], oddLayers(t)...))
	h.builtIn.runWith(t, nil, bytes.NewReader(tarOf(t,
		regular("Dockerfile", "FROM odd1\nENV a=b\nCOPY context /copied/\n"), directory("context/"), regular("context/file", "copied"),
	)), "build", "-q", "-t", "built", "-")
}

// load makes images name1, name2 and so on, on top of each other.
func (h *adoptHost) load(t *testing.T, name string, layers [][]byte) {
	t.Helper()
	h.builtIn.runWith(t, nil, bytes.NewReader(savedChain(t, name, layers)), "load", "-q")
}

// oddLayers are odd files, and what layers above can do to them: delete, hide a
// folder's content, change kind, owner, mode and attributes, link.
func oddLayers(t *testing.T) [][]byte {
	t.Helper()
	owned := regular("odd/owned", "changed")
	owned.Uid, owned.Gid, owned.Mode = 1234, 5678, 0o2750
	labelled := regular("odd/labelled", "l")
	labelled.PAXRecords = map[string]string{"SCHILY.xattr.user.other": strings.Repeat("long", 100)}
	return [][]byte{
		tarOf(t, oddFiles()...),
		tarOf(t, directory("odd/"), regular("odd/.wh.setuid", ""), symlink("odd/null", "precise"),
			directory("odd/sticky/"), regular("odd/sticky/.wh..wh..opq", ""), regular("odd/sticky/after", "new")),
		tarOf(t, directory("odd/"), owned, labelled, regular("odd/capable", "not any more"),
			regular("odd/linked", "another inode"), hardLink("odd/third", "odd/linked")),
		tarOf(t, directory("odd/"), regular("odd/.wh.sticky", ""), regular("odd/setuid", "again"),
			tarFile{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "odd/null", Devmajor: 7, Devminor: 3, Mode: 0o640}}),
	}
}
