package diff

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// entry is everything about a path that a layer has to keep.
type entry struct {
	Mode     fs.FileMode
	UID, GID uint32
	Rdev     uint64
	Size     int64
	Content  string
	Target   string // of symbolic links
	SameAs   string // the first path of the same file
	ModTime  time.Time
	Xattrs   map[string]string
}

// describe reads a whole tree. Folder times are left out where the caller has
// no say over them.
func describe(t fataler, dir string, folderTimes bool) map[string]entry {
	t.Helper()
	tree := make(map[string]entry)
	first := make(map[uint64]string)
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		e, ino, err := describeFile(file)
		if err != nil {
			return err
		}
		if e.Mode.IsDir() {
			e.Size = 0
			if !folderTimes {
				e.ModTime = time.Time{}
			}
		} else if same, ok := first[ino]; ok {
			e.SameAs = same
		} else {
			first[ino] = rel
		}
		tree[rel] = e
		return nil
	})
	if err != nil {
		t.Fatalf("describe %s: %v", dir, err)
	}
	return tree
}

func describeFile(file string) (e entry, ino uint64, err error) {
	info, err := os.Lstat(file)
	if err != nil {
		return e, 0, err
	}
	s := info.Sys().(*syscall.Stat_t)
	e = entry{
		Mode: info.Mode(), UID: s.Uid, GID: s.Gid, Rdev: s.Rdev,
		Size: info.Size(), ModTime: info.ModTime().UTC(),
	}
	switch {
	case e.Mode.IsRegular():
		content, err := os.ReadFile(file)
		if err != nil {
			return e, 0, err
		}
		e.Content = fmt.Sprintf("%x", sha256.Sum256(content))
	case e.Mode&fs.ModeSymlink != 0:
		if e.Target, err = os.Readlink(file); err != nil {
			return e, 0, err
		}
	}
	e.Xattrs, err = xattrsOf(file)
	return e, s.Ino, err
}

func xattrsOf(file string) (map[string]string, error) {
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(file, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attrs := make(map[string]string)
	for name := range splitZero(list[:n]) {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, err
		}
		attrs[name] = string(value[:n])
	}
	return attrs, nil
}

func splitZero(b []byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i, c := range b {
			if c == 0 {
				if !yield(string(b[start:i])) {
					return
				}
				start = i + 1
			}
		}
	}
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// ownIDs maps root in a tar to whoever runs the test, so that unpacking works
// without root.
func ownIDs() IDMaps {
	if os.Geteuid() == 0 {
		return IDMaps{}
	}
	return oneID(0, os.Getuid(), os.Getgid())
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// warmUp makes libraries open what they keep for the life of the process.
var warmUp sync.Once

// checkDescriptors fails the test if it leaves descriptors open.
func checkDescriptors(t testing.TB) {
	t.Helper()
	warmUp.Do(func() { mustApply(t, t.TempDir(), newTarball(t).dir("a").file("a/b/c", "x").bytes()) })
	before := openDescriptors(t)
	t.Cleanup(func() {
		if after := openDescriptors(t); after > before {
			t.Errorf("%d descriptors were open before the test and %d after it", before, after)
		}
	})
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
