package looplvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// backingFile is one of the two files, open for reading and writing.
type backingFile struct {
	role    string
	path    string
	file    *os.File // nil while the file doesn't exist
	size    int64
	blank   bool // no block of it was ever written
	created bool
}

func (b *backingFile) errorf(kind, err error, what, hint string) error {
	return &FileError{Role: b.role, Path: b.path, Kind: kind, What: what, Hint: hint, Err: err}
}

// openFile opens an existing file; where there is none, file stays nil.
func openFile(role, path string) (*backingFile, error) {
	b := &backingFile{role: role, path: path}
	// Look before opening: opening a device or a FIFO has effects.
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, b.errorf(nil, err, "can't be examined", "")
	}
	if !info.Mode().IsRegular() {
		return nil, b.errorf(ErrForeign, nil, fmt.Sprintf("is a %s, not a regular file", kindOf(info.Mode())),
			"move it away")
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, b.errorf(nil, err, "can't be opened", "")
	}
	if err := b.adopt(f); err != nil {
		f.Close()
		return nil, err
	}
	return b, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode.IsDir():
		return "directory"
	default:
		return "special file"
	}
}

func (b *backingFile) adopt(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return b.errorf(nil, err, "can't be examined", "")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return b.errorf(ErrForeign, nil, "is not a regular file", "move it away")
	}
	b.file, b.size, b.blank = f, st.Size, st.Blocks == 0 || unwritten(f)
	return nil
}

// unwritten reports that a file has no data, only holes and reserved space.
func unwritten(f *os.File) bool {
	_, err := f.Seek(0, unix.SEEK_DATA)
	return errors.Is(err, unix.ENXIO)
}

// create makes the file, empty.
func (b *backingFile) create() error {
	f, err := os.OpenFile(b.path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return b.errorf(nil, err, "can't be made", "")
	}
	b.file, b.size, b.blank, b.created = f, 0, true, true
	return nil
}

// grow makes the file at least size bytes long, durably. The new part is a
// hole and takes no space. It looks at the file first: an operator may have
// grown it, and truncating to less would cut off what the pool has there.
func (b *backingFile) grow(size int64) error {
	info, err := b.file.Stat()
	if err != nil {
		return b.errorf(nil, err, "can't be examined", "")
	}
	b.size = info.Size()
	if b.size >= size {
		return nil
	}
	if err := b.file.Truncate(size); err != nil {
		return b.errorf(nil, err, fmt.Sprintf("can't be grown to %d bytes", size),
			"a filesystem limits the size of a file: use a smaller size or another filesystem")
	}
	if err := b.file.Sync(); err != nil {
		return b.errorf(nil, err, "can't be synced", "")
	}
	b.size = size
	return nil
}

// discard takes back a file that was made by this Open and never used.
func (b *backingFile) discard() {
	if b == nil || b.file == nil {
		return
	}
	b.file.Close()
	if b.created {
		_ = os.Remove(b.path)
	}
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// makeDir makes the directory, and its entry in the parent durable.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
