package main

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestTreesAreTheSameEachTime(t *testing.T) {
	var sums [2][32]byte
	for i := range sums {
		data, err := io.ReadAll(tree(300)())
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(data)
	}
	if sums[0] != sums[1] {
		t.Error("two trees of as many files differ, so their layers can't be compared")
	}
}

func TestChangesReachTheTreesFiles(t *testing.T) {
	const files, changed = 300, 7
	dir, sizes := t.TempDir(), map[string]int64{}
	for r := tar.NewReader(tree(files)()); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else {
			sizes[path] = h.Size
			err = os.WriteFile(path, make([]byte, h.Size), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(sizes) != files {
		t.Fatalf("%d files, want %d", len(sizes), files)
	}
	if err := changeFiles(dir, changed, files); err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, size := range sizes {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != size {
			n++
		}
	}
	if n != changed {
		t.Errorf("%d files changed, want %d", n, changed)
	}
}
