package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/failpoint"
)

// sector is the length of the files that are written in place, which are padded
// with spaces up to it. A disk writes the whole of a sector or nothing.
const sector = 512

// SetStage writes a record that differs from the one on disk in its stage only,
// durably. Should a disk tear it after all, the checksum tells, and the layer is
// one that nobody was promised.
func (s *Store) SetStage(name string, r Record) error {
	data, err := encode(name, r)
	if err != nil {
		return s.note(err)
	}
	return s.write(func() error { return s.writeInPlace(name, data) })
}

// writeInPlace writes a file that has a sector's length already in place, because
// nothing else of the filesystem changes then: the sync costs one write of the
// disk, and not the two commits of the journal that a new file and its rename do.
func (s *Store) writeInPlace(name string, data []byte) error {
	data = padded(data, sector)
	if len(data) > sector {
		return writeFile(s.metadata, name, data)
	}
	if err := hit("write", name); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	done, err := s.overwrite(name, data, syncData)
	if err != nil || done {
		return err
	}
	return writeFile(s.metadata, name, data)
}

// overwrite replaces the content of a file in place, padded with spaces to the
// length it has. done is false, and nothing changed, where there is no such
// file or it is shorter than data.
func (s *Store) overwrite(name string, data []byte, sync func(*os.File) error) (done bool, err error) {
	f, err := os.OpenFile(filepath.Join(s.metadata, name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("overwrite record: %w", err)
	}
	old, err := io.ReadAll(f)
	if err == nil && len(old) < len(data) {
		return false, f.Close()
	}
	if err == nil {
		err = s.rewrite(f, old, padded(data, len(old)), sync)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("overwrite record: %w", err)
	}
	return true, nil
}

// rewrite puts the old content back where the new one can't be synced: the kernel
// has forgotten then that it was not written, and would give it to the next start.
func (s *Store) rewrite(f *os.File, old, data []byte, sync func(*os.File) error) error {
	write := func(content []byte) error {
		s.inPlace.Lock()
		defer s.inPlace.Unlock()
		_, err := f.WriteAt(content, 0)
		return err
	}
	err := write(data)
	if err == nil {
		err = sync(f)
	}
	if err != nil {
		return errors.Join(err, write(old))
	}
	return nil
}

// read calls do, which reads a file that may be written in place meanwhile: ext4
// could give it a part of both contents.
func (s *Store) read(do func() error) error {
	s.inPlace.RLock()
	defer s.inPlace.RUnlock()
	return do()
}

// padded appends spaces, which JSON ignores, up to size bytes.
func padded(data []byte, size int) []byte {
	return append(data, bytes.Repeat([]byte{' '}, max(0, size-len(data)))...)
}

func syncData(f *os.File) error {
	if failpoint.Planted("unsynced-record") {
		return nil
	}
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return nil
}
