package diff

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// stat is what the kernel says about one name.
type stat struct{ unix.Statx_t }

// lstatAt looks at name in a folder without following it. An empty name is the
// descriptor itself.
func lstatAt(dirfd int, name string) (stat, error) {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_STATX_DONT_SYNC | unix.AT_EMPTY_PATH
	var s stat
	err := unix.Statx(dirfd, name, flags, unix.STATX_BASIC_STATS, &s.Statx_t)
	return s, err
}

func (s *stat) format() uint16     { return s.Mode & unix.S_IFMT }
func (s *stat) isDir() bool        { return s.format() == unix.S_IFDIR }
func (s *stat) isRegular() bool    { return s.format() == unix.S_IFREG }
func (s *stat) isSymlink() bool    { return s.format() == unix.S_IFLNK }
func (s *stat) isSocket() bool     { return s.format() == unix.S_IFSOCK }
func (s *stat) permissions() int64 { return int64(s.Mode & 0o7777) }
func (s *stat) length() int64      { return int64(s.Size) }
func (s *stat) modified() time.Time {
	return time.Unix(s.Mtime.Sec, int64(s.Mtime.Nsec))
}

// hasHoles reports whether fewer blocks are allocated than the length needs.
func (s *stat) hasHoles() bool { return s.Blocks*512 < s.Size }

// isGone reports whether an error means that a name, or a folder on the way to
// it, is not there any more. Containers go on working while their layer is read.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
