package diff

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setMetadata gives an entry the owner, attributes, mode and times that it doesn't
// have yet. The owner comes first, because the kernel clears capabilities and the
// setuid bits when it changes. Folders get their times at the very end.
func (u *unpacker) setMetadata(n node, h *tar.Header) error {
	s, err := n.stat()
	if err != nil {
		return err
	}
	u.note(s.Ino, n.name)
	u.done.Fractions = u.done.Fractions || s.Mtime.Nsec != 0
	changed, err := u.setOwner(n, h, &s)
	if err != nil {
		return err
	}
	if err := u.setXattrs(n, h); err != nil {
		return err
	}
	mode := h.Mode & 0o7777
	switch {
	case s.isSymlink(): // its mode can't be set
		if h.Typeflag == tar.TypeLink {
			return nil // nor does Docker set its time by another name
		}
	case changed || len(h.PAXRecords) > 0 || s.permissions() != mode: // an ACL may have changed it
		if err := n.chmod(uint32(mode)); err != nil {
			return err
		}
	}
	if s.isDir() {
		u.folderTimes[n.name] = headerTimes(h)
		return nil
	}
	delete(u.folderTimes, n.name)
	return n.setTimes(headerTimes(h))
}

// setOwner does nothing if the owner is right: most files are root's, who makes
// them. Nor would it be without effect. Not every tar repeats a file's capability
// with each of its names, and the kernel clears it even so.
func (u *unpacker) setOwner(n node, h *tar.Header, s *stat) (changed bool, err error) {
	uid, gid, err := u.ids.ToHost(h.Uid, h.Gid)
	if err != nil {
		return false, fmt.Errorf("map owner %d:%d: %w", h.Uid, h.Gid, err)
	}
	if int64(s.Uid) == int64(uid) && int64(s.Gid) == int64(gid) {
		return false, nil
	}
	return true, n.chown(uid, gid)
}

func (u *unpacker) setXattrs(n node, h *tar.Header) error {
	var names []string
	for key := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, paxXattr); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		err := n.setXattr(name, h.PAXRecords[paxXattr+name])
		switch {
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EPERM):
			// EPERM: user.* on anything but files and folders, or no
			// privilege for the namespace.
			u.dropped++
			if u.firstDropped == nil {
				u.firstDropped = fmt.Errorf("%q: %w", n.name, err)
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// setFolderTimes comes last: unpacking into a folder moves its times.
func (u *unpacker) setFolderTimes() error {
	names := make([]string, 0, len(u.folderTimes))
	for name := range u.folderTimes {
		names = append(names, name)
	}
	slices.Sort(names)
	top := newCursor(int(u.root.Fd()))
	defer top.close()
	for _, name := range names {
		dir, base := splitPath(name)
		if name == "." {
			base = "."
		}
		fd, err := top.open(dir)
		if err == nil {
			err = node{fd, base, name, 0}.setTimes(u.folderTimes[name])
		}
		if err != nil && !isGone(err) { // a later entry may have removed it
			return fmt.Errorf("unpack %q: %w", name, err)
		}
	}
	return u.ctx.Err()
}
