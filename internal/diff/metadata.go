package diff

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setMetadata gives an entry its owner, attributes, mode and times. The owner
// comes first, because the kernel clears capabilities and the setuid bits when it
// changes. Folders get their times at the very end.
func (u *unpacker) setMetadata(n node, h *tar.Header) error {
	if err := u.setOwner(n, h); err != nil {
		return err
	}
	if err := u.setXattrs(n, h); err != nil {
		return err
	}
	s, err := lstatAt(n.dirfd, n.base)
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	u.note(s.Ino, n.name)
	if s.isSymlink() { // its mode can't be set
		if h.Typeflag == tar.TypeLink {
			return nil // nor does Docker set its time by another name
		}
	} else if err := n.chmod(uint32(h.Mode & 0o7777)); err != nil {
		return err
	}
	if s.isDir() {
		u.folderTimes[n.name] = headerTimes(h)
		return nil
	}
	delete(u.folderTimes, n.name)
	return n.setTimes(headerTimes(h))
}

func (u *unpacker) setOwner(n node, h *tar.Header) error {
	uid, gid, err := u.ids.ToHost(h.Uid, h.Gid)
	if err != nil {
		return fmt.Errorf("map owner %d:%d: %w", h.Uid, h.Gid, err)
	}
	if h.Typeflag == tar.TypeLink {
		// Not every tar repeats a file's capability with each of its names,
		// and a chown to the same owner would clear it.
		s, err := lstatAt(n.dirfd, n.base)
		if err == nil && int64(s.Uid) == int64(uid) && int64(s.Gid) == int64(gid) {
			return nil
		}
	}
	return n.chown(uid, gid)
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
			err = node{fd, base, name}.setTimes(u.folderTimes[name])
		}
		if err != nil && !isGone(err) { // a later entry may have removed it
			return fmt.Errorf("unpack %q: %w", name, err)
		}
	}
	return u.ctx.Err()
}
