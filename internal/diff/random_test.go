package diff

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// A random tree is the work of random operations. Two trees made by the same
// ones are equal, times included, which makes layer and parent.

// operation changes a tree; what it can't do (a name that is taken, a parent
// that is missing) it leaves undone, the same way in every equal tree.
type operation struct {
	what string
	run  func(*os.Root)
}

func oneID(id, uid, gid int) IDMaps {
	return IDMaps{
		UIDMaps: []user.IDMap{{ID: int64(id), ParentID: int64(uid), Count: 1}},
		GIDMaps: []user.IDMap{{ID: int64(id), ParentID: int64(gid), Count: 1}},
	}
}

// names collide often, sort on both sides of a slash, and hold bytes that are
// neither printable nor UTF-8.
var names = []string{"a", "b", "c", "a-b", "a.d", "\xff\xfe", "x\ny", "é"}

func somePath() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return filepath.Join(rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "path")...)
	})
}

// someTime has one fraction for each second, since times of one second with and without
// one are the same to Docker.
func someTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		fractions := []int64{0, 1, 500_000_000}
		n := rapid.IntRange(0, len(fractions)-1).Draw(t, "second")
		return time.Unix(1_600_000_000+int64(n), fractions[n])
	})
}

func someMode() *rapid.Generator[os.FileMode] {
	return rapid.SampledFrom([]os.FileMode{
		0o644, 0o600, 0o755, 0o700, os.ModeSetuid | 0o755, os.ModeSetgid | 0o755, os.ModeSticky | 0o777,
	})
}

// someOperations draws what to do. Owners, devices and capabilities take root.
func someOperations(root bool) *rapid.Generator[[]operation] {
	kinds := []func(*rapid.T) operation{
		makeDir, makeDir, makeFile, makeFile, makeFile, makeSymlink, makeHardlink,
		makeFifo, removePath, movePath, changeMode, changeTime,
	}
	if root {
		kinds = append(kinds, changeOwner, makeDevice, setCapability, setUserXattr)
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation {
		return kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")](t)
	}), 5, 60)
}

func perform(dir string, operations []operation) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	defer func() { _ = root.Close() }()
	for _, o := range operations {
		o.run(root)
	}
}

func makeDir(t *rapid.T) operation {
	p, mode := somePath().Draw(t, "dir"), someMode().Draw(t, "mode")
	return operation{"mkdir " + p, func(r *os.Root) {
		_ = r.MkdirAll(filepath.Dir(p), 0o750)
		if r.Mkdir(p, 0o700) == nil {
			_ = r.Chmod(p, mode|0o700)
		}
	}}
}

func makeFile(t *rapid.T) operation {
	p, mode, at := somePath().Draw(t, "file"), someMode().Draw(t, "mode"), someTime().Draw(t, "time")
	size := rapid.SampledFrom([]int{0, 1, 7, 512, 70_000}).Draw(t, "size")
	content := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size)
	return operation{fmt.Sprintf("write %s %d", p, size), func(r *os.Root) {
		if s, err := r.Lstat(p); err == nil && !s.Mode().IsRegular() {
			return
		}
		_ = r.MkdirAll(filepath.Dir(p), 0o750)
		if r.WriteFile(p, content, 0o600) == nil {
			_ = r.Chmod(p, mode|0o600)
			_ = r.Chtimes(p, at, at)
		}
	}}
}

func makeSymlink(t *rapid.T) operation {
	p, at := somePath().Draw(t, "link"), someTime().Draw(t, "time")
	target := rapid.SampledFrom([]string{"a", "b/c", "../a", "/a", "/", ".", "nowhere"}).Draw(t, "target")
	return operation{"symlink " + p, func(r *os.Root) {
		if r.Symlink(target, p) == nil {
			inParent(r, p, func(dirfd int, base string) {
				ts := times{timespec(at), timespec(at)}
				_ = unix.UtimesNanoAt(dirfd, base, ts[:], unix.AT_SYMLINK_NOFOLLOW)
			})
		}
	}}
}

func makeHardlink(t *rapid.T) operation {
	from, to := somePath().Draw(t, "from"), somePath().Draw(t, "to")
	return operation{"link " + from + " " + to, func(r *os.Root) { _ = r.Link(from, to) }}
}

func makeFifo(t *rapid.T) operation {
	p, at := somePath().Draw(t, "fifo"), someTime().Draw(t, "time")
	return operation{"mkfifo " + p, func(r *os.Root) {
		inParent(r, p, func(dirfd int, base string) {
			if unix.Mknodat(dirfd, base, unix.S_IFIFO|0o640, 0) == nil {
				_ = node{dirfd, base, p, 0}.setTimes(times{timespec(at), timespec(at)})
			}
		})
	}}
}

func removePath(t *rapid.T) operation {
	p := somePath().Draw(t, "removed")
	return operation{"rm " + p, func(r *os.Root) { _ = r.RemoveAll(p) }}
}

func movePath(t *rapid.T) operation {
	from, to := somePath().Draw(t, "from"), somePath().Draw(t, "to")
	return operation{"mv " + from + " " + to, func(r *os.Root) { _ = r.Rename(from, to) }}
}

func changeMode(t *rapid.T) operation {
	p, mode := somePath().Draw(t, "path"), someMode().Draw(t, "mode")
	return operation{"chmod " + p, func(r *os.Root) { _ = r.Chmod(p, mode|0o600) }}
}

func changeTime(t *rapid.T) operation {
	p, at := somePath().Draw(t, "path"), someTime().Draw(t, "time")
	return operation{"touch " + p, func(r *os.Root) { _ = r.Chtimes(p, at, at) }}
}

func changeOwner(t *rapid.T) operation {
	id := rapid.SampledFrom([]int{0, 1, 70_000})
	p, uid, gid := somePath().Draw(t, "path"), id.Draw(t, "uid"), id.Draw(t, "gid")
	return operation{"chown " + p, func(r *os.Root) { _ = r.Lchown(p, uid, gid) }}
}

func makeDevice(t *rapid.T) operation {
	p, at := somePath().Draw(t, "device"), someTime().Draw(t, "time")
	kind := rapid.SampledFrom([]uint32{unix.S_IFCHR, unix.S_IFBLK}).Draw(t, "kind")
	minor := rapid.Uint32Range(1, 300).Draw(t, "minor")
	return operation{"mknod " + p, func(r *os.Root) {
		inParent(r, p, func(dirfd int, base string) {
			if unix.Mknodat(dirfd, base, kind|0o640, int(unix.Mkdev(7, minor))) == nil {
				_ = node{dirfd, base, p, 0}.setTimes(times{timespec(at), timespec(at)})
			}
		})
	}}
}

func setCapability(t *rapid.T) operation {
	p := somePath().Draw(t, "path")
	value := rapid.SampledFrom([]string{netRaw, sysAdmin}).Draw(t, "capability")
	return operation{"setcap " + p, func(r *os.Root) {
		// Docker's unpacker sets attributes of a link on what it points to.
		if s, err := r.Lstat(p); err != nil || s.Mode()&os.ModeSymlink != 0 {
			return
		}
		inParent(r, p, func(dirfd int, base string) { _ = node{dirfd, base, p, 0}.setXattr(capabilityXattr, value) })
	}}
}

// setUserXattr sets what neither Docker nor we compare or carry.
func setUserXattr(t *rapid.T) operation {
	p := somePath().Draw(t, "path")
	return operation{"setfattr " + p, func(r *os.Root) {
		inParent(r, p, func(dirfd int, base string) { _ = node{dirfd, base, p, 0}.setXattr("user.test", "x") })
	}}
}

// Capabilities as the kernel stores them, revision 2.
const (
	netRaw   = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	sysAdmin = "\x01\x00\x00\x02\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

func inParent(r *os.Root, p string, do func(dirfd int, base string)) {
	dir, err := r.OpenFile(filepath.Dir(p), unix.O_DIRECTORY, 0)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	do(int(dir.Fd()), filepath.Base(p))
}

// scratch is a folder for one round of a property.
func scratch(t *rapid.T, base string) string {
	dir, err := os.MkdirTemp(base, "round-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// makeTrees makes folders with equal content.
func makeTrees(t *rapid.T, base string, operations []operation, n int) []string {
	var dirs []string
	for range n {
		dir := scratch(t, base)
		perform(dir, operations)
		dirs = append(dirs, dir)
	}
	return dirs
}
