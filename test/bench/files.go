package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Files are spread over directories of this many, with sizes about those of a
// Debian image: most below 4 KiB, some much larger.
const (
	filesPerDir = 50
	meanSize    = 4 << 10
)

var madeAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fileName(i int) string {
	return fmt.Sprintf("usr/share/d%03d/e%02d/file%06d", i/filesPerDir/20, i/filesPerDir%20, i)
}

// tree streams a tar of so many files, the same each time.
func tree(files int) func() io.Reader {
	return func() io.Reader {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeTree(w, files)) }()
		return r
	}
}

func writeTree(w io.Writer, files int) error {
	t := tar.NewWriter(w)
	if err := addTree(t, files); err != nil {
		return err
	}
	return t.Close()
}

func addTree(t *tar.Writer, files int) error {
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 256<<10)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	dirs := map[string]bool{}
	for i := range files {
		name := fileName(i)
		if err := addDirs(t, filepath.Dir(name), dirs); err != nil {
			return err
		}
		size := min(int64(random.ExpFloat64()*meanSize), int64(len(content)))
		head := &tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: madeAt}
		if err := t.WriteHeader(head); err != nil {
			return err
		}
		if _, err := t.Write(content[:size]); err != nil {
			return err
		}
	}
	return nil
}

func addDirs(t *tar.Writer, dir string, done map[string]bool) error {
	if dir == "." || done[dir] {
		return nil
	}
	if err := addDirs(t, filepath.Dir(dir), done); err != nil {
		return err
	}
	done[dir] = true
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: madeAt})
}

const bigName = "var/lib/big"

// bigFile streams a tar of one file without holes.
func bigFile(size int64) func() io.Reader {
	return func() io.Reader {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeBig(w, size)) }()
		return r
	}
}

func writeBig(w io.Writer, size int64) error {
	t := tar.NewWriter(w)
	if err := addDirs(t, filepath.Dir(bigName), map[string]bool{}); err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: bigName, Mode: 0o644, Size: size, ModTime: madeAt}); err != nil {
		return err
	}
	block := bytes.Repeat([]byte("dmthin bench\n"), 1<<16)
	for size > 0 {
		n, err := t.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return t.Close()
}

// changeFiles appends to so many of a tree's files, evenly spread.
func changeFiles(dir string, changed, files int) error {
	for _, path := range changedFiles(dir, changed, files) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("changed\n")
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func changedFiles(dir string, changed, files int) []string {
	paths := make([]string, changed)
	for i := range paths {
		paths[i] = filepath.Join(dir, fileName(i*files/changed))
	}
	return paths
}
