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
// only passes its owner, mode and so on to a folder that is there.
func (u *unpacker) place(n node, h *tar.Header, body io.Reader) error {
	s, err := lstatAt(n.dirfd, n.base)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("stat: %w", err)
	}
	exists := err == nil
	if exists && !(s.isDir() && h.Typeflag == tar.TypeDir) {
		if err := u.remove(n, &s); err != nil {
			return err
		}
		exists = false
	}
	if h.Typeflag == tar.TypeLink && inLinkPool(h.Linkname) {
		if h, body, err = u.pool.open(h); err != nil {
			return err
		}
	}
	made := true
	if exists {
		err = n.dropCapability(h)
	} else {
		made, err = u.create(n, h, body)
	}
	if err != nil {
		return err
	}
	u.mark(n.name)
	if !made {
		return nil
	}
	return u.setMetadata(n, h)
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
