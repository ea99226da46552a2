//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// busyboxPath is a static busybox, the only program in the tests' images.
const busyboxPath = "/bin/busybox"

// applets are the names it gets there.
var applets = strings.Fields("sh ls cat echo dd sleep usleep df mkdir rm mv cp ln chmod chown touch sync stat sha256sum find sort true false head tail wc grep env")

// tarFile is a file for a tar: headers without a time get one that is easy to
// tell from now.
type tarFile struct {
	tar.Header

	Content []byte
}

var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// tarOf makes a tar.
func tarOf(tb testing.TB, files ...tarFile) []byte {
	tb.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, f := range files {
		f.Size = int64(len(f.Content))
		if f.ModTime.IsZero() {
			f.ModTime = longAgo
		}
		f.Format = tar.FormatPAX
		if err := w.WriteHeader(&f.Header); err != nil {
			tb.Fatalf("tar entry %q: %v", f.Name, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buffer.Bytes()
}

func directory(name string) tarFile {
	return tarFile{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
}

func regular(name, content string) tarFile {
	return tarFile{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, Content: []byte(content)}
}

func symlink(name, target string) tarFile {
	return tarFile{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// hardLink takes the mode of a regular file: Docker sets that of the entry.
func hardLink(name, target string) tarFile {
	return tarFile{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}}
}

// busyboxFiles are the content of the smallest image that runs.
func busyboxFiles(tb testing.TB) []tarFile {
	tb.Helper()
	program, err := os.ReadFile(busyboxPath)
	if err != nil {
		tb.Fatal(err)
	}
	files := []tarFile{directory("bin/"), directory("tmp/"), regular("bin/busybox", string(program))}
	files[2].Mode = 0o755
	for _, name := range applets {
		files = append(files, symlink("bin/"+name, "busybox"))
	}
	return files
}

// oddFiles are what a careless storage driver loses.
func oddFiles() []tarFile {
	files := []tarFile{
		directory("odd/"),
		regular("odd/setuid", "s"), regular("odd/owned", "o"), regular("odd/labelled", "l"), regular("odd/capable", "c"),
		regular("odd/precise", "nanoseconds"),
		regular("odd/"+strings.Repeat("long", 60), "a name of 240 bytes"),
		regular("odd/\xff\xfe not utf-8", "bytes"), regular("odd/new\nline", "n"),
		regular("odd/linked", "one inode"), hardLink("odd/hard", "odd/linked"),
		symlink("odd/dangling", "/nowhere"),
		{Header: tar.Header{Typeflag: tar.TypeChar, Name: "odd/null", Devmajor: 1, Devminor: 3, Mode: 0o666}},
		{Header: tar.Header{Typeflag: tar.TypeBlock, Name: "odd/block", Devmajor: 7, Devminor: 200, Mode: 0o600}},
		{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "odd/fifo", Mode: 0o622}},
		{Header: tar.Header{Typeflag: tar.TypeDir, Name: "odd/sticky/", Mode: 0o1777}},
	}
	files[1].Mode = 0o4755
	files[2].Uid, files[2].Gid = 70000, 4000000
	files[3].PAXRecords = map[string]string{"SCHILY.xattr.user.note": "kept"}
	// cap_net_raw+ep, as setcap writes it.
	files[4].PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	files[5].ModTime = time.Unix(1234567890, 123456789)
	return files
}

// importImage makes a one-layer image.
func importImage(tb testing.TB, c docker, name string, files ...tarFile) {
	tb.Helper()
	c.runWith(tb, nil, bytes.NewReader(tarOf(tb, files...)), "import", "-", name)
}

// savedImage makes what docker load reads: an image with the given layers.
func savedImage(tb testing.TB, name string, layers ...[]byte) []byte {
	tb.Helper()
	var paths, ids []string
	var files []tarFile
	for i, layer := range layers {
		path := fmt.Sprintf("%d/layer.tar", i)
		files = append(files, directory(fmt.Sprintf("%d/", i)), regular(path, string(layer)))
		paths, ids = append(paths, path), append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
	}
	config := encode(tb, map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	manifest := encode(tb, []map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": paths}})
	return tarOf(tb, append(files, regular("config.json", config), regular("manifest.json", manifest))...)
}

// savedChain is like savedImage, for images name1, name2 and so on, of which
// each has one layer more than the one before; the first has two.
func savedChain(tb testing.TB, name string, layers [][]byte) []byte {
	tb.Helper()
	var paths, ids []string
	var files []tarFile
	var manifest []map[string]any
	for i, layer := range layers {
		path := fmt.Sprintf("%d/layer.tar", i)
		files = append(files, directory(fmt.Sprintf("%d/", i)), regular(path, string(layer)))
		paths, ids = append(paths, path), append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
		if i == 0 {
			continue
		}
		config := fmt.Sprintf("config%d.json", i)
		files = append(files, regular(config, encode(tb, map[string]any{
			"architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/bin/sh"}},
			"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
		})))
		manifest = append(manifest, map[string]any{"Config": config, "RepoTags": []string{fmt.Sprintf("%s%d:latest", name, i)}, "Layers": slices.Clone(paths)})
	}
	return tarOf(tb, append(files, regular("manifest.json", encode(tb, manifest)))...)
}

func encode(tb testing.TB, value any) string {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// manyLayers are layers of which each adds a file, writes one that the layer
// below wrote, and removes one that the layer below added: after n of them
// /shared says n and /gone holds the file n alone.
func manyLayers(tb testing.TB, n int) [][]byte {
	tb.Helper()
	first := append(busyboxFiles(tb), directory("each/"), directory("gone/"), regular("gone/0", ""))
	layers := [][]byte{tarOf(tb, first...)}
	for i := 1; i <= n; i++ {
		layers = append(layers, tarOf(tb,
			directory("each/"), regular(fmt.Sprintf("each/%d", i), fmt.Sprint(i)),
			regular("shared", fmt.Sprint(i)),
			directory("gone/"), regular(fmt.Sprintf("gone/%d", i), ""), regular(fmt.Sprintf("gone/.wh.%d", i-1), "")))
	}
	return layers
}
