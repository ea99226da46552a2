package diff

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"
)

// impliedMode is what folders get that a tar uses but doesn't list.
const impliedMode = 0o755

// maxLinks is the kernel's limit of links to follow in one path.
const maxLinks = 40

// parentFolder is the folder that the last entry was unpacked into. Entries of
// one folder follow one another, so it is kept for the next.
type parentFolder struct {
	file  *os.File // O_PATH, nil if there is none
	name  string   // as in the tar
	real  string   // with links resolved, relative to the top
	stale bool     // a folder or link was removed: name may mean another place now
}

func (p *parentFolder) fd() int { return int(p.file.Fd()) }

func (p *parentFolder) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
	*p = parentFolder{}
}

// openParent returns the folder an entry goes into, and makes it if the tar
// never listed it. The result is valid until the next call.
func (u *unpacker) openParent(dir string) (*parentFolder, error) {
	if u.at.file != nil && u.at.name == dir && !u.at.stale {
		return &u.at, nil
	}
	u.at.close()
	f, err := u.lookup(dir)
	if errors.Is(err, unix.ENOENT) {
		f, err = u.makeFolders(dir, 0)
	}
	if err != nil {
		return nil, err
	}
	u.at = parentFolder{file: f, name: dir, real: u.realName(f, dir)}
	return &u.at, nil
}

// lookup opens a name as a process would whose root the layer is. Beyond
// PATH_MAX, which no such process could pass in one call, links don't count.
func (u *unpacker) lookup(name string) (*os.File, error) {
	if len(name) >= unix.PathMax {
		fd, err := openBeneath(int(u.root.Fd()), name, pathDir)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	f, err := pathrs.OpenatInRoot(u.root, name)
	if err != nil {
		return nil, cause(err)
	}
	return f, nil
}

// makeFolders makes a folder and those above it that are missing. Where a link
// to nowhere is in the way, what it points to is made; links counts those.
func (u *unpacker) makeFolders(dir string, links int) (*os.File, error) {
	up, err := u.lookup(path.Dir(dir))
	if errors.Is(err, unix.ENOENT) {
		up, err = u.makeFolders(path.Dir(dir), links)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = up.Close() }()
	n := node{int(up.Fd()), path.Base(dir), dir, 0}
	err = unix.Mkdirat(n.dirfd, n.base, impliedMode)
	if errors.Is(err, unix.EEXIST) {
		return u.makeTarget(n, u.realName(up, path.Dir(dir)), links+1)
	}
	if err != nil {
		return nil, fmt.Errorf("make folder %q: %w", dir, err)
	}
	uid, gid := u.ids.RootPair()
	if err := n.chown(uid, gid); err != nil {
		return nil, err
	}
	if err := n.chmod(impliedMode); err != nil {
		return nil, err
	}
	fd, err := unix.Openat(n.dirfd, n.base, pathDir, 0)
	if err != nil {
		return nil, fmt.Errorf("open folder %q: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), dir)
	s, err := lstatAt(fd, "")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stat folder %q: %w", dir, err), f.Close())
	}
	u.note(s.Ino, u.realName(f, dir))
	return f, nil
}

// makeTarget makes the folder that the link n, in the folder up, points to.
func (u *unpacker) makeTarget(n node, up string, links int) (*os.File, error) {
	if links > maxLinks {
		return nil, fmt.Errorf("follow %q: %w", n.name, unix.ELOOP)
	}
	target, err := readLink(n.dirfd, n.base)
	if err != nil {
		return nil, fmt.Errorf("follow %q: %w", n.name, err)
	}
	if !path.IsAbs(target) {
		target = path.Join("/", up, target)
	}
	target = path.Clean(target)[1:]
	f, err := u.lookup(target)
	if errors.Is(err, unix.ENOENT) {
		return u.makeFolders(target, links)
	}
	return f, err
}

// realName returns an open folder's name relative to the top with links
// resolved. Where the kernel can't tell, no link was followed either.
func (u *unpacker) realName(f *os.File, name string) string {
	top, err := os.Readlink(procFD(int(u.root.Fd())))
	if err != nil {
		return name
	}
	found, err := os.Readlink(procFD(int(f.Fd())))
	if err != nil {
		return name
	}
	if found == top {
		return "."
	}
	if rel, ok := strings.CutPrefix(found, strings.TrimSuffix(top, "/")+"/"); ok {
		return rel
	}
	return name
}

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// cause strips what a library wrapped around the kernel's error: its names are
// its own, and the caller knows better what was tried.
func cause(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
