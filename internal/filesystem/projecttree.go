package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tree marks every entry of a directory tree with the project ID.
//
// All entries must have it: xfs answers EXDEV to a rename or link into a marked
// directory of anything that is not marked. Symbolic links, devices, FIFOs and
// sockets can't be opened for the ioctl that sets it (kernels since 6.10 let
// some of them pass unmarked), so they are made anew in their directory, which
// gives them the mark.
//
// Entries are reached through the descriptor of their directory: an image may
// have paths that are longer than the kernel takes.
type tree struct {
	top  string
	made map[uint64]string // inode with several names → path of the new one, below top
	next int               // for temporary names
}

// entry is a name in an open directory.
type entry struct {
	dir  int    // descriptor
	name string // in dir
	path string // below the top
}

func (e entry) failed(op string, err error) error {
	return &os.PathError{Op: op, Path: e.path, Err: err}
}

// proc is a path for calls that take no descriptor of a directory.
func (e entry) proc() string { return fmt.Sprintf("/proc/self/fd/%d/%s", e.dir, e.name) }

func (e entry) open(flags int) (*os.File, error) {
	fd, err := unix.Openat(e.dir, e.name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, e.failed("open", err)
	}
	return os.NewFile(uintptr(fd), e.path), nil
}

func markTree(ctx context.Context, dir string) error {
	t := &tree{top: dir, made: map[uint64]string{}}
	return t.markDir(ctx, entry{unix.AT_FDCWD, dir, "."})
}

// markDir marks the directory before its entries, so that entries made anew
// inherit, and gives it back its times afterwards.
func (t *tree) markDir(ctx context.Context, e entry) error {
	f, err := e.open(unix.O_RDONLY | unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return e.failed("stat", err)
	}
	if err := setProject(f, true); err != nil {
		return e.failed("set project id of", err)
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, child := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		in := entry{int(f.Fd()), child.Name(), filepath.Join(e.path, child.Name())}
		if err := t.markEntry(ctx, in, child.Type()); err != nil {
			return err
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(e.dir, e.name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return e.failed("set times of", err)
	}
	return nil
}

func (t *tree) markEntry(ctx context.Context, e entry, mode os.FileMode) error {
	switch {
	case mode.IsDir():
		return t.markDir(ctx, e)
	case mode.IsRegular():
		return markFile(e)
	default:
		return t.remake(e)
	}
}

func markFile(e entry) error {
	f, err := e.open(unix.O_RDONLY | unix.O_NOATIME)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setProject(f, false); err != nil {
		return e.failed("set project id of", err)
	}
	return nil
}

// remake replaces a special file by an equal one. Names of one inode before
// are names of one inode afterwards.
func (t *tree) remake(e entry) error {
	var st unix.Stat_t
	if err := unix.Fstatat(e.dir, e.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return e.failed("stat", err)
	}
	temporary, err := t.makeBeside(e, &st)
	if err != nil {
		return fmt.Errorf("make %s anew: %w", e.path, err)
	}
	if err := unix.Renameat(e.dir, temporary.name, e.dir, e.name); err != nil {
		_ = unix.Unlinkat(e.dir, temporary.name, 0)
		return fmt.Errorf("make %s anew: %w", e.path, err)
	}
	if st.Nlink > 1 {
		t.made[st.Ino] = e.path
	}
	return nil
}

// makeBeside makes the copy under a free name in the same directory.
func (t *tree) makeBeside(e entry, st *unix.Stat_t) (entry, error) {
	for {
		t.next++
		temporary := entry{e.dir, fmt.Sprintf(".dmthin-%d", t.next), e.path}
		err := t.copySpecial(e, temporary, st)
		if err == nil || !errors.Is(err, os.ErrExist) {
			return temporary, err
		}
	}
}

func (t *tree) copySpecial(from, to entry, st *unix.Stat_t) error {
	if first, ok := t.made[st.Ino]; ok {
		return t.link(first, to)
	}
	if err := makeSpecial(from, to, st); err != nil {
		return err
	}
	err := copyAttributes(from, to, st)
	if err != nil {
		_ = unix.Unlinkat(to.dir, to.name, 0)
	}
	return err
}

// link gives what is at a path below the top another name.
func (t *tree) link(first string, to entry) error {
	dir, err := unix.Open(t.top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(dir) }()
	names := strings.Split(first, "/")
	for _, name := range names[:len(names)-1] {
		below, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_ = unix.Close(dir)
		dir = below
	}
	return unix.Linkat(dir, names[len(names)-1], to.dir, to.name, 0)
}

func makeSpecial(from, to entry, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from.dir, from.name, target)
		if err != nil {
			return err
		}
		return unix.Symlinkat(string(target[:n]), to.dir, to.name)
	}
	return unix.Mknodat(to.dir, to.name, st.Mode, int(st.Rdev))
}

// copyAttributes copies owner, mode, extended attributes and times, in the
// order in which they don't undo each other.
func copyAttributes(from, to entry, st *unix.Stat_t) error {
	if err := unix.Fchownat(to.dir, to.name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK { // a link's mode is always 0777
		if err := unix.Fchmodat(to.dir, to.name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	if err := copyXattrs(from.proc(), to.proc()); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	return unix.UtimesNanoAt(to.dir, to.name, times, unix.AT_SYMLINK_NOFOLLOW)
}
