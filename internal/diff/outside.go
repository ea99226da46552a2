package diff

import (
	"golang.org/x/sys/unix"
)

// maxOutside bounds the names beside the layer's folder that are looked through.
const maxOutside = 1000

// outside looks for what is left beside the layer's folder, which on a device
// of a layer there isn't much of.
func (r *resolver) outside() error {
	fd, err := unix.Openat(r.top.fd, "..", readDir, 0)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	above, err := lstatAt(fd, "")
	if err != nil {
		return err
	}
	inside, err := lstatAt(r.top.fd, "")
	if err != nil {
		return err
	}
	if above.Dev_major != inside.Dev_major || above.Dev_minor != inside.Dev_minor {
		return errUnresolved
	}
	delete(r.left, above.Ino)
	budget := maxOutside
	if err := r.discard(fd, &budget); err != nil {
		return err
	}
	if len(r.left) > 0 {
		return errUnresolved
	}
	return nil
}

// discard drops what is in a folder from what is left.
func (r *resolver) discard(dirfd int, budget *int) error {
	entries, err := readFolder(dirfd, r.buf)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.inode == r.topInode {
			continue
		}
		if *budget--; *budget < 0 {
			return errUnresolved
		}
		delete(r.left, e.inode)
		if e.kind == unix.DT_DIR {
			if err := r.discardBelow(dirfd, e.name, budget); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *resolver) discardBelow(dirfd int, name string, budget *int) error {
	fd, err := openAt(dirfd, name, readDir)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	return r.discard(fd, budget)
}
