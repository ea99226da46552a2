package state

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/failpoint"
)

// intentSize is the length of the intent's file, which is padded with spaces.
// It is a sector, so that the disk writes the whole or nothing of it.
const intentSize = 512

// WriteIntent announces a change. It works on a full disk, so that layers can
// be removed there.
//
// The file is written in place, because nothing else of the filesystem changes
// then: the sync costs one write of the disk, and not the two commits of the
// journal that a new file and its rename do.
func (s *Store) WriteIntent(i Intent) error {
	data, err := encode(intentName, i)
	if err != nil {
		return s.note(err)
	}
	data = padded(data, intentSize)
	return s.write(func() error {
		return s.reserve.retry(func() error { return s.writeIntent(data) })
	})
}

func (s *Store) writeIntent(data []byte) error {
	if err := hit("write", intentName); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	done, err := overwrite(filepath.Join(s.metadata, intentName), data, syncData)
	if err != nil || done {
		return err
	}
	return writeFile(s.metadata, intentName, data)
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

// Intent returns the newest intent; ok is false where none was ever written.
// Where a disk tore the file, its checksum tells, and the change that it was to
// announce has not begun.
func (s *Store) Intent() (i Intent, ok bool, err error) {
	ok, err = s.readOptional(intentName, &i)
	return i, ok, err
}
