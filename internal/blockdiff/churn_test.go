//go:build roottest || dmtest

package blockdiff

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// churn changes a tree at random. What an operation can't do it leaves undone.
type churn struct {
	*rand.Rand
	top   string
	paths []string // that were there at some time; the top first
	next  int
}

func newChurn(seed uint64, top string) *churn {
	c := &churn{Rand: rand.New(rand.NewPCG(seed, 77)), top: top}
	_ = filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			c.paths = append(c.paths, path)
		}
		return nil
	})
	return c
}

func (c *churn) some() string { return c.paths[c.IntN(len(c.paths))] }

// below is some path other than the top.
func (c *churn) below() string {
	if len(c.paths) == 1 {
		return filepath.Join(c.top, "nothing")
	}
	return c.paths[1+c.IntN(len(c.paths)-1)]
}

// fresh is a name that never was, in some folder or beside some file.
func (c *churn) fresh() string {
	dir := c.some()
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	c.next++
	path := filepath.Join(dir, fmt.Sprintf("n%d-%d", c.next, c.IntN(1000)))
	c.paths = append(c.paths, path)
	return path
}

func (c *churn) content() []byte {
	sizes := []int{0, 1, 60, 150, 4096, 9000, 70_000}
	return bytes.Repeat([]byte{byte(c.Uint32())}, sizes[c.IntN(len(sizes))])
}

// run performs n operations.
func (c *churn) run(n int) {
	all := []func(){
		c.write, c.write, c.write, c.rewrite, c.rewrite, c.mapped, c.truncate, c.mkdir, c.mkdir, c.symlink, c.special,
		c.remove, c.remove, c.removeAll, c.rename, c.rename, c.replace, c.swap, c.link, c.linkStorm, c.chmod, c.chown,
		c.times, c.capability, c.attribute, c.read, c.reuse, c.many, c.sparse, c.deep,
	}
	for range n {
		all[c.IntN(len(all))]()
	}
}

func (c *churn) write()   { _ = os.WriteFile(c.fresh(), c.content(), 0o644) }
func (c *churn) mkdir()   { _ = os.Mkdir(c.fresh(), 0o755) }
func (c *churn) symlink() { _ = os.Symlink(c.some(), c.fresh()) }
func (c *churn) chmod()   { _ = os.Chmod(c.below(), fs.FileMode(0o500+c.IntN(0o177))) }
func (c *churn) chown()   { _ = os.Lchown(c.below(), c.IntN(3), c.IntN(3)) }
func (c *churn) remove()  { _ = os.Remove(c.below()) }
func (c *churn) rename()  { _ = os.Rename(c.below(), c.fresh()) }
func (c *churn) replace() { _ = os.Rename(c.below(), c.below()) }
func (c *churn) link()    { _ = os.Link(c.below(), c.fresh()) }

func (c *churn) removeAll() {
	if c.IntN(4) == 0 {
		_ = os.RemoveAll(c.below())
	}
}

func (c *churn) special() {
	modes := []uint32{unix.S_IFIFO, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFSOCK}
	_ = unix.Mknod(c.fresh(), modes[c.IntN(len(modes))]|0o600, int(unix.Mkdev(7, c.Uint32N(300))))
}

// swap exchanges two names, of folders as well.
func (c *churn) swap() {
	_ = unix.Renameat2(unix.AT_FDCWD, c.below(), unix.AT_FDCWD, c.below(), unix.RENAME_EXCHANGE)
}

func (c *churn) linkStorm() {
	from := c.below()
	for range c.IntN(30) {
		_ = os.Link(from, c.fresh())
	}
}

func (c *churn) times() {
	at := time.Unix(1_600_000_000+int64(c.IntN(3)), int64(c.IntN(2)))
	_ = os.Chtimes(c.below(), at, at)
}

func (c *churn) capability() {
	value := []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	value[5] = byte(c.Uint32())
	_ = unix.Lsetxattr(c.below(), "security.capability", value, 0)
}

// attribute sets one that fits into an inode, or one that doesn't.
func (c *churn) attribute() {
	_ = unix.Lsetxattr(c.below(), "user.x", bytes.Repeat([]byte("v"), 1+c.IntN(2)*1500), 0)
}

func (c *churn) onFile(flags int, use func(*os.File)) {
	path := c.below()
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return
	}
	defer f.Close()
	use(f)
}

func (c *churn) rewrite() {
	c.onFile(os.O_RDWR, func(f *os.File) { _, _ = f.WriteAt([]byte{byte(c.Uint32())}, int64(c.IntN(200))) })
}

func (c *churn) truncate() {
	c.onFile(os.O_RDWR, func(f *os.File) { _ = f.Truncate(int64(c.IntN(10_000))) })
}

func (c *churn) sparse() {
	c.onFile(os.O_RDWR, func(f *os.File) { _, _ = f.WriteAt([]byte("x"), int64(c.IntN(4<<20))) })
}

// read moves the access time, as far as the mount does.
func (c *churn) read() {
	c.onFile(os.O_RDONLY, func(f *os.File) { _, _ = f.Read(make([]byte, 10)) })
}

func (c *churn) mapped() {
	c.onFile(os.O_RDWR, func(f *os.File) {
		info, err := f.Stat()
		if err != nil || info.Size() == 0 {
			return
		}
		m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return
		}
		m[c.IntN(len(m))]++
		_ = unix.Munmap(m)
	})
}

// reuse frees inodes that the files made next are likely to get.
func (c *churn) reuse() {
	for range 3 {
		path := c.below()
		if os.Remove(path) == nil {
			_ = os.WriteFile(path, c.content(), 0o600)
		}
	}
	c.write()
}

// many fills a folder that needs more than a block for its names.
func (c *churn) many() {
	if c.IntN(10) > 0 {
		return
	}
	dir := c.fresh()
	_ = os.Mkdir(dir, 0o755)
	for i := range 300 {
		path := filepath.Join(dir, fmt.Sprintf("a-name-that-takes-some-room-%d", i))
		_ = os.WriteFile(path, nil, 0o644)
		c.paths = append(c.paths, path)
	}
}

func (c *churn) deep() {
	dir := c.fresh()
	_ = os.MkdirAll(filepath.Join(dir, "a/b/c/d/e"), 0o755)
	c.paths = append(c.paths, dir+"/a", dir+"/a/b", dir+"/a/b/c", dir+"/a/b/c/d")
}
