package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tree marks every entry of a directory tree with the project ID.
//
// All entries must have it: xfs answers EXDEV to a rename or link into a marked
// directory of anything that is not marked. Symbolic links, devices, FIFOs and
// sockets can't be opened for the ioctl that sets it (kernels since 6.10 let
// some of them pass unmarked), so they are made anew in their directory, which
// gives them the mark.
type tree struct {
	made map[uint64]string // inode with several names → path of the new one
	next int               // for temporary names
}

func markTree(ctx context.Context, dir string) error {
	t := &tree{made: map[uint64]string{}}
	return t.markDir(ctx, dir)
}

// markDir marks the directory before its entries, so that entries made anew
// inherit, and gives it back its times afterwards.
func (t *tree) markDir(ctx context.Context, dir string) error {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if err := setProject(f, true); err != nil {
		return &os.PathError{Op: "set project id of", Path: dir, Err: err}
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.markEntry(ctx, filepath.Join(dir, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, dir, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "set times of", Path: dir, Err: err}
	}
	return nil
}

func (t *tree) markEntry(ctx context.Context, path string, mode os.FileMode) error {
	switch {
	case mode.IsDir():
		return t.markDir(ctx, path)
	case mode.IsRegular():
		return markFile(path)
	default:
		return t.remake(path)
	}
}

func markFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setProject(f, false); err != nil {
		return &os.PathError{Op: "set project id of", Path: path, Err: err}
	}
	return nil
}

// remake replaces a special file by an equal one. Names of one inode before
// are names of one inode afterwards.
func (t *tree) remake(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	temporary, err := t.makeBeside(path, &st)
	if err != nil {
		return fmt.Errorf("make %s anew: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("make %s anew: %w", path, err)
	}
	if st.Nlink > 1 {
		t.made[st.Ino] = path
	}
	return nil
}

// makeBeside makes the copy under a free name in the same directory.
func (t *tree) makeBeside(path string, st *unix.Stat_t) (string, error) {
	for {
		t.next++
		temporary := filepath.Join(filepath.Dir(path), fmt.Sprintf(".dmthin-%d", t.next))
		err := t.copySpecial(path, temporary, st)
		if err == nil || !errors.Is(err, os.ErrExist) {
			return temporary, err
		}
	}
}

func (t *tree) copySpecial(from, to string, st *unix.Stat_t) error {
	if first, ok := t.made[st.Ino]; ok {
		return os.Link(first, to)
	}
	if err := makeSpecial(from, to, st); err != nil {
		return err
	}
	err := copyAttributes(from, to, st)
	if err != nil {
		_ = os.Remove(to)
	}
	return err
}

func makeSpecial(from, to string, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	return unix.Mknod(to, st.Mode, int(st.Rdev))
}

// copyAttributes copies owner, mode, extended attributes and times, in the
// order in which they don't undo each other.
func copyAttributes(from, to string, st *unix.Stat_t) error {
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK { // a link's mode is always 0777
		if err := unix.Fchmodat(unix.AT_FDCWD, to, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW)
}
