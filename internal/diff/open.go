package diff

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	readDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	pathDir = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
)

// openTop opens the folder that holds a layer. Links on the way to it are the
// caller's own and are followed.
func openTop(dir string) (int, error) {
	fd, err := unix.Open(dir, readDir&^unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, fmt.Errorf("open layer folder %s: %w", dir, err)
	}
	return fd, nil
}

// openAt opens name in a folder without moving its access time: reading a layer
// must not write to it, which in a thin device would cost a block. Only the
// owner of a file may ask for that.
func openAt(dirfd int, name string, flags int) (int, error) {
	fd, err := unix.Openat(dirfd, name, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		return unix.Openat(dirfd, name, flags, 0)
	}
	return fd, err
}

// openBeneath opens the folder path below top ("." is top itself) and follows
// no link on the way, so a container that swaps a folder for a link meanwhile
// leads nowhere. Paths beyond PATH_MAX are walked in pieces.
func openBeneath(top int, path string, flags int) (int, error) {
	fd := top
	for {
		piece, rest := cutPath(path, unix.PathMax-1)
		want := flags
		if rest != "" {
			want = pathDir
		}
		next, err := openPiece(fd, piece, want)
		if fd != top {
			closeFD(fd)
		}
		if err != nil || rest == "" {
			return next, err
		}
		fd, path = next, rest
	}
}

// cutPath splits path at a slash so that the first piece is at most limit bytes.
func cutPath(path string, limit int) (piece, rest string) {
	if len(path) <= limit {
		return path, ""
	}
	i := strings.LastIndexByte(path[:limit+1], '/')
	if i < 0 {
		return path, "" // one name that long: the kernel refuses it
	}
	return path[:i], path[i+1:]
}

func openPiece(dirfd int, path string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	if flags&unix.O_PATH == 0 {
		how.Flags |= unix.O_NOATIME
	}
	fd, err := unix.Openat2(dirfd, path, &how)
	// ENOSYS: before Linux 5.6. EPERM: a seccomp filter that doesn't know the
	// call, or O_NOATIME on somebody else's folder.
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return openByName(dirfd, path, flags)
	}
	return fd, err
}

// openByName is openPiece for kernels without openat2: one name at a time.
func openByName(dirfd int, path string, flags int) (int, error) {
	fd := dirfd
	for {
		name, rest, more := strings.Cut(path, "/")
		var next int
		var err error
		if more || flags&unix.O_PATH != 0 {
			next, err = unix.Openat(fd, name, pathDir, 0)
		} else {
			next, err = openAt(fd, name, flags)
		}
		if fd != dirfd {
			closeFD(fd)
		}
		if err != nil || !more {
			return next, err
		}
		fd, path = next, rest
	}
}

// closeFD closes a descriptor that was only read from or looked up in, where
// close has nothing to report.
func closeFD(fd int) { _ = unix.Close(fd) }

// cursor opens folders of one tree, and keeps the last: paths come sorted, so
// the next one is usually in the same folder.
type cursor struct {
	top  int
	path string
	fd   int
}

func newCursor(top int) *cursor { return &cursor{top: top, path: ".", fd: top} }

// open returns a descriptor for the folder, valid until the next call.
func (c *cursor) open(dir string) (int, error) {
	if dir == c.path {
		return c.fd, nil
	}
	c.close()
	if dir == "." {
		return c.fd, nil
	}
	fd, err := openBeneath(c.top, dir, readDir)
	if err != nil {
		return -1, err
	}
	c.path, c.fd = dir, fd
	return fd, nil
}

// close lets go of the folder opened last, not of the top.
func (c *cursor) close() {
	if c.fd != c.top {
		closeFD(c.fd)
	}
	c.path, c.fd = ".", c.top
}
