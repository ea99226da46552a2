package blockdevice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/loop"
)

// loopFile is a sparse file on a loop device.
type loopFile struct {
	file   *os.File
	device *loop.Device
}

// openLoopFile makes the file where there are no layers yet, brings it up to
// size and attaches it.
func openLoopFile(ctx context.Context, role, path string, size int64, existing bool) (*loopFile, error) {
	flags := os.O_RDWR | unix.O_NOFOLLOW
	if !existing {
		flags |= os.O_CREATE
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Role: role, Path: path, Kind: ErrMissing, Found: "is missing, but there are layers in it", Hint: "restore it from backup"}
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s file: %w", role, err)
	}
	f := &loopFile{file: file}
	if err = growFile(file, size); err == nil {
		f.device, err = attach(ctx, file)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s file %s: %w", role, path, err)
	}
	return f, nil
}

// attach finds the file's loop device, which a running pool has kept, or makes
// one.
func attach(ctx context.Context, file *os.File) (*loop.Device, error) {
	d, err := loop.Find(file)
	if errors.Is(err, loop.ErrNotAttached) {
		return loop.Attach(ctx, file)
	}
	if err != nil {
		return nil, err
	}
	return d, d.SetCapacity()
}

func growFile(file *os.File, size int64) error {
	info, err := file.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	if err := file.Truncate(size); err != nil {
		return err
	}
	return errors.Join(file.Sync(), syncDir(filepath.Dir(file.Name())))
}

func (f *loopFile) grow(size int64) error {
	if err := growFile(f.file, size); err != nil {
		return fmt.Errorf("grow %s to %d bytes: %w", f.file.Name(), size, err)
	}
	return f.device.SetCapacity()
}

func (f *loopFile) close() error { return errors.Join(f.device.Close(), f.file.Close()) }

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func replaceFile(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
