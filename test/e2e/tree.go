//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// tree is a directory tree: each path, "." for the root, with all there is to
// say of it in one line. Two are equal when nothing that a program could see
// differs, but access and change times.
type tree map[string]string

// sameFile begins the line of a further name of a file.
const sameFile = "same file as "

// readTree reads everything below root on root's own filesystem.
func readTree(tb testing.TB, root string) tree {
	tb.Helper()
	var top unix.Stat_t
	if err := unix.Lstat(root, &top); err != nil {
		tb.Fatalf("lstat %s: %v", root, err)
	}
	found := tree{}
	firstLink := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return fmt.Errorf("lstat %s: %w", path, err)
		}
		if st.Dev != top.Dev {
			found[name] = "mounted over"
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if first, ok := firstLink[st.Ino]; ok && !entry.IsDir() {
			found[name] = sameFile + first
			return nil
		}
		firstLink[st.Ino] = name
		found[name], err = describe(path, st)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// describe says all of one file. A file that is mostly holes says so: its
// bytes alone would not show that a sparse file was filled.
func describe(path string, st unix.Stat_t) (string, error) {
	text := fmt.Sprintf("mode %o owner %d:%d", st.Mode, st.Uid, st.Gid)
	text += fmt.Sprintf(" links %d time %d.%09d", st.Nlink, st.Mtim.Sec, st.Mtim.Nsec)
	attributes, err := extendedAttributes(path)
	if err != nil {
		return "", err
	}
	text += attributes
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		sum, err := contentHash(path)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(" size %d sum %s", st.Size, sum)
		if st.Blocks*512 < st.Size/2 {
			text += " sparse"
		}
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		text += " to " + target
	case unix.S_IFCHR, unix.S_IFBLK:
		text += fmt.Sprintf(" device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	return text, nil
}

func contentHash(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

func extendedAttributes(path string) (string, error) {
	list := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		return "", fmt.Errorf("llistxattr %s: %w", path, err)
	}
	names := strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	var text bytes.Buffer
	value := make([]byte, 64<<10)
	for _, name := range names {
		n, err := unix.Lgetxattr(path, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("lgetxattr %s %s: %w", path, name, err)
		}
		fmt.Fprintf(&text, " %s=%x", name, value[:n])
	}
	return text.String(), nil
}

// without returns the tree less some paths.
func (t tree) without(paths ...string) tree {
	rest := tree{}
	for path, text := range t {
		if !slices.Contains(paths, path) {
			rest[path] = text
		}
	}
	return rest
}

// below is the tree of a folder in it.
func (t tree) below(folder string) tree {
	rest := tree{}
	for path, text := range t {
		if path == folder {
			rest["."] = text
		} else if name, ok := strings.CutPrefix(path, folder+"/"); ok {
			rest[name] = strings.Replace(text, sameFile+folder+"/", sameFile, 1)
		}
	}
	return rest
}

// requireSameTree fails with the paths that differ.
func requireSameTree(tb testing.TB, what string, want, got tree) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s is not the same (-before +after):\n%s", what, diff)
	}
}
