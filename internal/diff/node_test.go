package diff

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestModesAreSetWithoutFchmodat2 goes the way of kernels before Linux 6.6.
func TestModesAreSetWithoutFchmodat2(t *testing.T) {
	checkDescriptors(t)
	dir := t.TempDir()
	write(t, dir+"/file", "x")
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	fd, err := openTop(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	for _, name := range []string{"file", "fifo"} {
		if err := (node{fd, name, name, 0}).chmodOpened(0o4751); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode()&^os.ModeNamedPipe != os.ModeSetuid|0o751 {
			t.Errorf("%s is %v, %v", name, info.Mode(), err)
		}
	}
	if err := (node{fd, "link", "link", 0}).chmodOpened(0o600); err == nil {
		t.Error("the mode of a link was set")
	}
	if info, err := os.Lstat(dir + "/file"); err != nil || info.Mode()&^os.ModeSetuid != 0o751 {
		t.Errorf("the link was followed: the file is %v, %v", info.Mode(), err)
	}
}

// TestEntriesAreKnownWithoutTheirTypeInTheFolder is for filesystems that keep no
// types in folders, as old xfs does (ftype=0).
func TestEntriesAreKnownWithoutTheirTypeInTheFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/folder/file", "x")
	write(t, dir+"/file", "x")
	fd, err := openTop(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	var reported, descended []string
	p := folderPair{
		layer:   side{fd: fd, path: dir},
		report:  func(name string, kind Kind) { reported = append(reported, kind.String()+" "+name) },
		descend: func(e dirent, _ relation) { descended = append(descended, e.name) },
	}
	if err := p.compare([]dirent{{name: "file"}, {name: "folder"}, {name: "gone"}}, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"A file", "A folder"}, reported); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"folder"}, descended); d != "" {
		t.Error(d)
	}
}
