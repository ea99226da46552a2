//go:build roottest || dmtest

package blockdiff

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/nameindex"
)

// index writes down what all of a layer is called, as unpacking it would have.
func index(t testing.TB, dir string) {
	t.Helper()
	var entries []nameindex.Entry
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var s syscall.Stat_t
		if err == nil {
			err = syscall.Lstat(path, &s)
		}
		if name, relErr := filepath.Rel(dir, path); err == nil && relErr == nil {
			entries = append(entries, nameindex.Entry{Inode: s.Ino, Name: name})
		}
		return err
	})
	if err == nil {
		err = nameindex.Write(dir, entries)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func tarOf(t testing.TB, dir string, changes []diff.Change) []byte {
	t.Helper()
	var tar bytes.Buffer
	if err := diff.WriteChanges(t.Context(), &tar, dir, changes, diff.IDMaps{}); err != nil {
		t.Fatal(err)
	}
	return tar.Bytes()
}
