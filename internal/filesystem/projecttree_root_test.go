//go:build roottest

package filesystem

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop/looptest"
)

// TestATreeWithPathsLongerThanTheKernelTakesIsMarkedWhole makes a special file
// anew there too, of which there is another name.
func TestATreeWithPathsLongerThanTheKernelTakesIsMarkedWhole(t *testing.T) {
	device := looptest.Image(t, 300*mib).Path
	if err := Format(t.Context(), device, XFS, nil); err != nil {
		t.Fatal(err)
	}
	top := mounted(t, device, XFS, MountOptions{})
	folder := deepFolder(t, top)
	deep := int(folder.Fd())
	for _, err := range []error{
		unix.Mkfifoat(deep, "fifo", 0o600),
		unix.Symlinkat("target", deep, "a-link"),
		unix.Linkat(deep, "a-link", deep, "b-link", 0),
		unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d/fifo", deep), "trusted.test", []byte("value"), 0),
		unix.Linkat(deep, "fifo", unix.AT_FDCWD, top+"/zz-fifo", 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := look(t, deep)
	if err := markTree(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	after := look(t, deep)
	if !slices.Equal(before, after) {
		t.Errorf("the tree has changed from %q to %q", before, after)
	}
	var mark fsXattr
	if err := ioctl(folder, fsGetXattr, unsafe.Pointer(&mark)); err != nil || mark.ProjectID != projectID {
		t.Errorf("the deepest folder has the project ID %#x, %v", mark.ProjectID, err)
	}
}

// deepFolder makes folders in each other and opens the last.
func deepFolder(t *testing.T, top string) *os.File {
	t.Helper()
	dir, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2*unix.PathMax/200 + 1 {
		name := strings.Repeat("n", 200)
		if err := unix.Mkdirat(dir, name, 0o755); err != nil {
			t.Fatal(err)
		}
		below, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(dir)
		dir = below
	}
	f := os.NewFile(uintptr(dir), "deep")
	t.Cleanup(func() { f.Close() })
	return f
}

// look describes what is in a folder.
func look(t *testing.T, dir int) (all []string) {
	t.Helper()
	for _, name := range []string{"fifo", "a-link", "b-link"} {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			t.Fatal(err)
		}
		value := make([]byte, 16)
		n, _ := unix.Lgetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir, name), "trusted.test", value)
		all = append(all, fmt.Sprintf("%s mode %o links %d mtime %d %q", name, st.Mode, st.Nlink, st.Mtim.Nano(), value[:max(n, 0)]))
	}
	return all
}
