//go:build dmtest

package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Project quotas need CONFIG_XFS_QUOTA, which distribution kernels have and
// trimmed ones don't: hence in the VM.

const limit = 100 * mib

// limitedTree returns a mounted device and its rootfs, which holds one of each
// kind of file and is limited.
func limitedTree(t *testing.T) (device, rootfs string) {
	t.Helper()
	device = formatted(t, XFS, 1*gib)
	rootfs = filepath.Join(mounted(t, device, XFS, MountOptions{ProjectQuota: true}), "rootfs")
	makeTree(t, rootfs)
	if err := LimitTree(t.Context(), device, rootfs, limit); err != nil {
		t.Fatal(err)
	}
	return device, rootfs
}

func makeTree(t *testing.T, root string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(root, name) }
	must(os.MkdirAll(at("dir/sub"), 0o755))
	write(t, at("dir/file"), "content")
	must(os.Link(at("dir/file"), at("hard")))
	must(os.Symlink("dir/file", at("link")))
	must(os.Link(at("link"), at("dir/link")))
	must(os.Symlink("/no/such/target", at("dangling")))
	must(unix.Mknod(at("null"), unix.S_IFCHR|0o620, int(unix.Mkdev(1, 3))))
	must(unix.Mknod(at("fifo"), unix.S_IFIFO|0o604, 0))
	must(unix.Mknod(at("socket"), unix.S_IFSOCK|0o755, 0))
	must(os.Lchown(at("link"), 12, 34))
	must(os.Lchown(at("fifo"), 56, 78))
	must(unix.Lsetxattr(at("null"), "trusted.test", []byte("value"), 0))
	must(unix.Lsetxattr(at("link"), "trusted.test", []byte("link value"), 0))
	old := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, name := range []string{"link", "dangling", "null", "fifo", "dir/file", "dir/sub", "dir", "."} {
		ts := []unix.Timespec{unix.NsecToTimespec(old.UnixNano()), unix.NsecToTimespec(old.UnixNano())}
		must(unix.UtimesNanoAt(unix.AT_FDCWD, at(name), ts, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// describe lists all that a reader of the tree can see, except ctime and inode
// numbers; hard links by the first name of their group.
func describe(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		target, _ := os.Readlink(path)
		value := make([]byte, 100)
		n, _ := unix.Lgetxattr(path, "trusted.test", value)
		all[name] = fmt.Sprintf("%o %d:%d dev %x mtime %d links %d of %s → %q %q",
			st.Mode, st.Uid, st.Gid, st.Rdev, st.Mtim.Nano(), st.Nlink, first[st.Ino], target, value[:max(n, 0)])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLimitTreeChangesNothingThatShows(t *testing.T) {
	device := formatted(t, XFS, 1*gib)
	root := filepath.Join(mounted(t, device, XFS, MountOptions{ProjectQuota: true}), "rootfs")
	makeTree(t, root)
	before := describe(t, root)
	for range 2 { // and repeating it is harmless
		if err := LimitTree(t.Context(), device, root, limit); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, describe(t, root)); diff != "" {
			t.Fatalf("the tree changed (-before +after):\n%s", diff)
		}
	}
}

func TestWriterGetsENOSPCAtTheLimit(t *testing.T) {
	_, root := limitedTree(t)
	if total, free := statfs(t, root); total != limit || free > limit || free < limit-mib {
		t.Errorf("df in the tree: %d of %d free, want about all of %d", free, total, limit)
	}
	wrote, err := fill(t, filepath.Join(root, "dir/sub"))
	if !errors.Is(err, unix.ENOSPC) || wrote > limit || wrote < limit-2*mib {
		t.Errorf("%d bytes, then %v; want ENOSPC at %d", wrote, err, limit)
	}
	outside := filepath.Join(filepath.Dir(root), "outside")
	write(t, outside, strings.Repeat("x", 2*mib)) // beside the tree there is room
	if err := os.Remove(filepath.Join(root, "dir/sub/fill")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "again"), strings.Repeat("x", 50*mib))
}

// xfs answers EXDEV where project IDs differ.
func TestRenameAndLinkWorkForEveryKindOfFile(t *testing.T) {
	_, root := limitedTree(t)
	write(t, filepath.Join(root, "new"), "made after the limit")
	for _, name := range []string{"hard", "link", "dangling", "null", "fifo", "socket", "new"} {
		from, to := filepath.Join(root, name), filepath.Join(root, "dir/sub", name)
		if err := os.Link(from, to+"-link"); err != nil {
			t.Errorf("link %s: %v", name, err)
		}
		if err := os.Rename(from, to); err != nil {
			t.Errorf("rename %s: %v", name, err)
		}
	}
	if err := os.Rename(filepath.Join(root, "dir/sub"), filepath.Join(root, "sub")); err != nil {
		t.Errorf("rename a directory: %v", err)
	}
}

// The container's layer is a snapshot of its init layer, which was limited.
func TestASnapshotHasTheLimitToo(t *testing.T) {
	device, root := limitedTree(t)
	if err := Sync(root); err != nil {
		t.Fatal(err)
	}
	dir := mounted(t, copyOf(t, device), XFS, MountOptions{ProjectQuota: true})
	wrote, err := fill(t, filepath.Join(dir, "rootfs"))
	if !errors.Is(err, unix.ENOSPC) || wrote > limit || wrote < limit-2*mib {
		t.Errorf("%d bytes, then %v; want ENOSPC at %d", wrote, err, limit)
	}
}

func TestLimitBelowWhatIsStoredIsRefused(t *testing.T) {
	device := formatted(t, XFS, 1*gib)
	root := filepath.Join(mounted(t, device, XFS, MountOptions{ProjectQuota: true}), "rootfs")
	makeTree(t, root)
	write(t, filepath.Join(root, "big"), strings.Repeat("x", 20*mib))
	err := LimitTree(t.Context(), device, root, 10*mib)
	var small *TooSmallError
	if !errors.Is(err, ErrTooSmall) || !errors.As(err, &small) || small.Used < 20*mib || small.Used > 21*mib {
		t.Fatalf("error = %v, want ErrTooSmall with 20 MiB used", err)
	}
	write(t, filepath.Join(root, "more"), strings.Repeat("x", 20*mib)) // no limit was set
}

func TestLimitNeedsTheProjectQuotaMount(t *testing.T) {
	device := formatted(t, XFS, 1*gib)
	root := filepath.Join(mounted(t, device, XFS, MountOptions{}), "rootfs")
	makeTree(t, root)
	if err := LimitTree(t.Context(), device, root, limit); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v, want one line", err)
	}
	if err := LimitTree(t.Context(), device, root, 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

func TestLimitTreeStopsWhenCancelled(t *testing.T) {
	device := formatted(t, XFS, 1*gib)
	root := filepath.Join(mounted(t, device, XFS, MountOptions{ProjectQuota: true}), "rootfs")
	makeTree(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := LimitTree(ctx, device, root, limit); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
