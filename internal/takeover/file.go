package takeover

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// replaceFile gives a file new content so that after a power cut either the old
// or the new is there, whole, and once it returns only the new. Mode and owner
// stay; a new file gets mode. A link stays a link.
func replaceFile(path string, content []byte, mode fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	if err := removeFresh(path); err != nil {
		return err
	}
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, content) {
		return syncDir(dir) // whoever wrote it may have been killed before that
	}
	f, err := os.OpenFile(freshName(path), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = fill(f, path, content, mode)
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return syncDir(dir)
}

// freshName is that of a file's new content until it is whole. It is always the
// same, so that whoever comes after a crash finds it.
func freshName(path string) string {
	return filepath.Join(filepath.Dir(path), ".dmthin-"+filepath.Base(path))
}

// removeFresh removes what a crash left of new content.
func removeFresh(path string) error {
	if err := os.Remove(freshName(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove unfinished new content: %w", err)
	}
	return nil
}

// removeFile removes a file durably; it may be gone already.
func removeFile(path string) error {
	if err := removeFresh(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fill writes, syncs and closes f, which is to take the place of path.
func fill(f *os.File, path string, content []byte, mode fs.FileMode) error {
	_, err := f.Write(content)
	var old unix.Stat_t
	if err == nil && unix.Stat(path, &old) == nil {
		mode = fs.FileMode(old.Mode & 0o777)
		err = f.Chown(int(old.Uid), int(old.Gid))
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// move renames durably. What has been moved already stays so; where both names
// are taken neither is touched.
func move(from, to string) error {
	if !exists(from) && exists(to) {
		return nil
	}
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("move %s to %s: %w: docker was started meanwhile, and made one of them anew; move that one away and run this again", from, to, err)
	}
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", from, to, err)
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(from))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// syncAll writes everything on dir's filesystem to disk: one call for any
// number of files.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return fmt.Errorf("sync the filesystem of %s: %w", dir, err)
	}
	return nil
}

// copyFile copies content; whoever copies many syncs them all at once.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil { //nolint:gosec // both are below the data-root, which the operator names
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}
