package diff

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// place unpacks one entry. It replaces what has its name, except that a folder
// only passes its owner, mode and so on to a folder that is there. Most entries
// are new to the layer, so making them is tried first.
func (u *unpacker) place(n node, h *tar.Header, body io.Reader) (err error) {
	if h.Typeflag == tar.TypeLink && inLinkPool(h.Linkname) {
		if h, body, err = u.pool.open(h); err != nil {
			return err
		}
	}
	made, err := u.create(&n, h, body)
	if errors.Is(err, unix.EEXIST) {
		made, err = u.replace(&n, h, body)
	}
	if err == nil {
		u.mark(n.name)
		if made {
			err = u.setMetadata(n, h)
		}
	}
	if closeErr := n.closeFile(); err == nil && closeErr != nil {
		err = fmt.Errorf("close: %w", closeErr)
	}
	return err
}

// replace makes the entry where there is something already.
func (u *unpacker) replace(n *node, h *tar.Header, body io.Reader) (made bool, err error) {
	s, err := lstatAt(n.dirfd, n.base)
	if err != nil {
		return false, fmt.Errorf("stat: %w", err)
	}
	if s.isDir() && h.Typeflag == tar.TypeDir {
		return true, n.dropCapability(h)
	}
	if err := u.remove(*n, &s); err != nil {
		return false, err
	}
	return u.create(n, h, body)
}

// remove deletes a node. A folder or link may have been part of the way to the
// parent that is kept open.
func (u *unpacker) remove(n node, s *stat) error {
	if s.isDir() || s.isSymlink() {
		u.at.stale = true
	}
	return n.remove(s)
}

// mark remembers a name as part of this layer, and the folders above it.
func (u *unpacker) mark(name string) {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := u.unpacked[name]; ok {
			return
		}
		u.unpacked[name] = struct{}{}
	}
}
