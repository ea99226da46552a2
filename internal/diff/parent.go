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
		f, err = u.makeFolders(dir)
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

// makeFolders makes a folder and those above it that are missing.
func (u *unpacker) makeFolders(dir string) (*os.File, error) {
	up, err := u.lookup(path.Dir(dir))
	if errors.Is(err, unix.ENOENT) {
		up, err = u.makeFolders(path.Dir(dir))
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = up.Close() }()
	n := node{int(up.Fd()), path.Base(dir), dir}
	if err := unix.Mkdirat(n.dirfd, n.base, impliedMode); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("folder %q is a link to nowhere", dir)
		}
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
	return os.NewFile(uintptr(fd), dir), nil
}

// realName returns an open folder's name relative to the top with links
// resolved. Where the kernel can't tell, no link was followed either.
func (u *unpacker) realName(f *os.File, name string) string {
	top, err := os.Readlink(procFD(int(u.root.Fd())))
	if err != nil {
		return name
	}
	real, err := os.Readlink(procFD(int(f.Fd())))
	if err != nil {
		return name
	}
	if real == top {
		return "."
	}
	if rel, ok := strings.CutPrefix(real, strings.TrimSuffix(top, "/")+"/"); ok {
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
