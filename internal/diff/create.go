package diff

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// create makes the entry, or fails with EEXIST if there is something of its name.
// made is false for a device that can't be made here. A file stays open.
func (u *unpacker) create(n *node, h *tar.Header, body io.Reader) (made bool, err error) {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return true, u.createFile(n, h, body)
	case tar.TypeDir:
		err = unix.Mkdirat(n.dirfd, n.base, 0o700)
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, n.dirfd, n.base)
	case tar.TypeLink:
		return true, u.createLink(*n, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		err = makeSpecial(*n, h)
		if errors.Is(err, unix.EPERM) && userns.RunningInUserNS() {
			return false, nil // a user namespace may not have devices
		}
	default:
		return false, fmt.Errorf("entry type %q is not known", h.Typeflag)
	}
	if err != nil {
		return false, fmt.Errorf("create: %w", err)
	}
	return true, nil
}

func (u *unpacker) createFile(n *node, h *tar.Header, body io.Reader) error {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	const plain = 0o777 // other bits would go at the first write
	fd, err := unix.Openat(n.dirfd, n.base, flags, uint32(h.Mode)&plain)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	n.file = fd
	return writeSparse(u.ctx, fd, 0, body, h.Size, u.buf)
}

// createLink makes a hard link. Some builders write absolute targets; they mean
// the layer's top.
func (u *unpacker) createLink(n node, target string) error {
	name := path.Clean(strings.TrimLeft(target, "/"))
	if name == "." || !filepath.IsLocal(name) {
		return fmt.Errorf("hard link to %q %w", target, ErrOutside)
	}
	dir, err := u.lookup(path.Dir(name))
	if err != nil {
		return fmt.Errorf("open the folder of link target %q: %w", target, err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Linkat(int(dir.Fd()), path.Base(name), n.dirfd, n.base, 0); err != nil {
		return fmt.Errorf("hard link to %q: %w", target, err)
	}
	return nil
}

func makeSpecial(n node, h *tar.Header) error {
	var kind uint32
	switch h.Typeflag {
	case tar.TypeChar:
		kind = unix.S_IFCHR
	case tar.TypeBlock:
		kind = unix.S_IFBLK
	case tar.TypeFifo:
		return unix.Mknodat(n.dirfd, n.base, unix.S_IFIFO|0o600, 0)
	}
	// Linux has 12 bits for the major and 20 for the minor number and would
	// take other bits for something else.
	if h.Devmajor < 0 || h.Devmajor >= 1<<12 || h.Devminor < 0 || h.Devminor >= 1<<20 {
		return fmt.Errorf("device number %d:%d is out of range", h.Devmajor, h.Devminor)
	}
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return unix.Mknodat(n.dirfd, n.base, kind|0o600, int(dev))
}
