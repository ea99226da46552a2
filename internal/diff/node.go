package diff

import (
	"archive/tar"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// node is a name in an open folder, where an entry is being unpacked. None of
// its methods follows a link of that name.
type node struct {
	dirfd int
	base  string
	name  string // relative to the top, links resolved
	file  int    // a descriptor for what was just made, 0 if there is none
}

func (n node) closeFile() error {
	if n.file == 0 {
		return nil
	}
	return unix.Close(n.file)
}

func (n node) stat() (s stat, err error) {
	if n.file != 0 {
		s, err = lstatAt(n.file, "")
	} else {
		s, err = lstatAt(n.dirfd, n.base)
	}
	if err != nil {
		return s, fmt.Errorf("stat: %w", err)
	}
	return s, nil
}

func (n node) chown(uid, gid int) error {
	// The kernel takes 32 bits, and all ones for "leave it".
	if uid < 0 || gid < 0 || uid >= math.MaxUint32 || gid >= math.MaxUint32 {
		return fmt.Errorf("owner %d:%d is out of range", uid, gid)
	}
	var err error
	if n.file != 0 {
		err = unix.Fchown(n.file, uid, gid)
	} else {
		err = unix.Fchownat(n.dirfd, n.base, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("change owner to %d:%d: %w", uid, gid, err)
	}
	return nil
}

func (n node) chmod(mode uint32) error {
	var err error
	if n.file != 0 {
		err = unix.Fchmod(n.file, mode)
	} else {
		err = unix.Fchmodat(n.dirfd, n.base, mode, unix.AT_SYMLINK_NOFOLLOW)
	}
	if errors.Is(err, unix.EOPNOTSUPP) { // before Linux 6.6
		err = n.chmodOpened(mode)
	}
	if err != nil {
		return fmt.Errorf("change mode to %#o: %w", mode, err)
	}
	return nil
}

func (n node) chmodOpened(mode uint32) error {
	fd, err := unix.Openat(n.dirfd, n.base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	return unix.Chmod(procFD(fd), mode)
}

func (n node) setXattr(name, value string) error {
	if err := unix.Lsetxattr(procName(n.dirfd, n.base), name, []byte(value), 0); err != nil {
		return fmt.Errorf("set extended attribute %q: %w", name, err)
	}
	return nil
}

// dropCapability removes a capability that the entry does not have. A layer's tar
// has all capabilities of what it changed, so a folder without one has lost it: it
// was removed and made anew. Docker leaves it there.
func (n node) dropCapability(h *tar.Header) error {
	if _, ok := h.PAXRecords[paxXattr+capabilityXattr]; ok {
		return nil
	}
	value, err := capability(n.dirfd, n.base)
	if value == nil {
		return err
	}
	if err := unix.Lremovexattr(procName(n.dirfd, n.base), capabilityXattr); err != nil {
		return fmt.Errorf("remove %s: %w", capabilityXattr, err)
	}
	return nil
}

func (n node) setTimes(t times) error {
	if err := unix.UtimesNanoAt(n.dirfd, n.base, t[:], unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}

// remove deletes whatever has the name, folders with all that is in them.
func (n node) remove(s *stat) error {
	if !s.isDir() {
		if err := unix.Unlinkat(n.dirfd, n.base, 0); err != nil {
			return fmt.Errorf("remove %q: %w", n.name, err)
		}
		return nil
	}
	// os.RemoveAll works on descriptors below the folder it is given and
	// follows no link there.
	if err := os.RemoveAll(procName(n.dirfd, n.base)); err != nil {
		return fmt.Errorf("remove folder %q: %w", n.name, cause(err))
	}
	return nil
}

// times are an access and a modification time.
type times [2]unix.Timespec

// headerTimes never lets a file look unread since it was written, and moves what
// Go's clock can't hold to 1970; Docker does both.
func headerTimes(h *tar.Header) times {
	access := h.AccessTime
	if access.Before(h.ModTime) {
		access = h.ModTime
	}
	return times{timespec(access), timespec(h.ModTime)}
}

func timespec(t time.Time) unix.Timespec {
	epoch, end := time.Unix(0, 0), time.Unix(0, math.MaxInt64)
	if t.Before(epoch) || t.After(end) {
		t = epoch
	}
	return unix.NsecToTimespec(t.UnixNano())
}
