package diff

import (
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"
)

// whiteout removes what has the name. Nothing there is fine: whiteouts are also
// made for files that only a layer between had.
func (u *unpacker) whiteout(at *parentFolder, base string) error {
	if base == "" || base == "." || base == ".." {
		return fmt.Errorf("a whiteout can't remove %q: it %w", base, ErrOutside)
	}
	n := node{at.fd(), base, path.Join(at.real, base), 0}
	s, err := lstatAt(n.dirfd, n.base)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stat %q: %w", n.name, err)
	}
	return u.remove(n, &s)
}

// clearFolder removes what the layers below put into a folder. What this tar
// brought stays, wherever in the tar the mark comes.
func (u *unpacker) clearFolder(at *parentFolder) error {
	fd, err := unix.Openat(at.fd(), ".", readDir, 0)
	if err != nil {
		return fmt.Errorf("open folder %q: %w", at.real, err)
	}
	defer closeFD(fd)
	return u.clear(fd, at.real)
}

func (u *unpacker) clear(dirfd int, dir string) error {
	names, err := readFolder(dirfd, make([]byte, direntBuffer))
	if err != nil {
		return fmt.Errorf("read folder %q: %w", dir, err)
	}
	for _, e := range names {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		n := node{dirfd, e.name, path.Join(dir, e.name), 0}
		s, err := lstatAt(dirfd, e.name)
		if err != nil {
			return fmt.Errorf("stat %q: %w", n.name, err)
		}
		if _, ours := u.unpacked[n.name]; !ours {
			err = u.remove(n, &s)
		} else if s.isDir() {
			err = u.clearBelow(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) clearBelow(n node) error {
	fd, err := openAt(n.dirfd, n.base, readDir)
	if err != nil {
		return fmt.Errorf("open folder %q: %w", n.name, err)
	}
	defer closeFD(fd)
	return u.clear(fd, n.name)
}
