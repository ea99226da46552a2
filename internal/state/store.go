package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned by Open when another daemon uses the same state.
var ErrLocked = errors.New("another dmthind uses it; stop that one first")

// ErrClosed is what writing a record fails with after Close: another daemon, or
// another Init of this one, may have the records by now.
var ErrClosed = errors.New("the records are closed, since Docker stopped or began anew meanwhile; run the command again")

// lockName is the file whose lock a Store holds.
const lockName = "lock"

// Store is an open state directory. Its lock is held until Close, so no two
// processes ever write the same records. Methods are safe for concurrent use
// on different names; one name must not be written by two callers at once.
type Store struct {
	dir      string // <state>
	metadata string // <state>/metadata
	lock     *os.File
	reserve  reserve

	writing sync.RWMutex // shared by whoever writes a record, held by Close
	closed  bool         // protected by writing

	inPlace sync.RWMutex // held while a file's content is replaced, shared by whoever reads one

	mu      sync.Mutex // protects failure
	failure error      // of the last write of a record; see Writable

	digest map[string]digested // of the records that Load read, by name; of Load and Close

	probe   func(dir string) error // writes to the disk; replaced by tests
	probing chan struct{}          // full while a probe is under way
}

// Open creates dir (0700) where needed and locks it. It fails with ErrLocked
// rather than waiting.
func Open(dir string) (*Store, error) {
	metadata := filepath.Join(dir, "metadata")
	if err := os.MkdirAll(metadata, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory: %w", adviseReadOnly(err))
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state lock: %w", adviseReadOnly(err))
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	s := &Store{
		dir: dir, metadata: metadata, lock: lock, reserve: reserve{dir: metadata},
		probe: probe, probing: make(chan struct{}, 1),
	}
	if err := s.removeTemporaries(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.reserve.fill()
	return s, nil
}

// adviseReadOnly says what to do about a disk that takes no writes from the start.
func adviseReadOnly(err error) error {
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w; check that filesystem, mount it for writing and restart dmthind", err)
	}
	return err
}

// Close waits for the write of a record that is under way, lets none follow, and
// releases the lock.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.closed = true
	_ = s.leaveDigest()
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("close state directory %s: %w", s.dir, err)
	}
	return nil
}

// Dir returns the state directory.
func (s *Store) Dir() string { return s.dir }

// removeTemporaries removes what writes and restores left that never finished.
func (s *Store) removeTemporaries() error {
	for _, dir := range []string{s.dir, s.metadata} {
		entries, err := list(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), tempPrefix) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove unfinished record: %w", err)
			}
		}
	}
	return nil
}

// Put writes a record durably.
func (s *Store) Put(name string, r Record) error {
	data, err := encode(name, r)
	if err != nil {
		return s.note(err)
	}
	return s.write(func() error { return writeFile(s.metadata, name, padded(data, sector)) })
}

// Add writes the record of a layer that has none yet, durably. It takes one
// commit of the filesystem's journal, where Put takes two. In exchange a power
// cut may leave the name with a file that is empty: the open intent names it,
// and recovery removes it.
func (s *Store) Add(name string, r Record) error {
	data, err := encode(name, r)
	if err != nil {
		return s.note(err)
	}
	return s.write(func() error { return s.add(name, padded(data, sector)) })
}

func (s *Store) add(name string, data []byte) error {
	if err := replaceFile(s.metadata, name, data, leaveUnsynced); err != nil {
		return err
	}
	if err := syncPath(filepath.Join(s.metadata, name), syncRecord); err != nil {
		return err
	}
	return syncName(s.metadata, name)
}

// Delete removes a record durably. A missing one is a success.
func (s *Store) Delete(name string) error {
	return s.write(func() error { return removeFile(s.metadata, name) })
}

// Bury turns a layer's record into its tombstone, durably, and returns the
// tombstone's name. It works on a full disk: see reserve.
//
// The record is marked as deleted in place, durably, and then renamed. The mark
// alone makes Load bury the layer, so the new name may reach the disk with
// whatever else is written next: that spares a commit of the filesystem's journal.
func (s *Store) Bury(name string, r Record) (tombstone string, err error) {
	tombstone = TombstoneName(name, r.DeviceID)
	before, err := encode(name, r)
	if err != nil {
		return "", s.note(err)
	}
	r.Deleted = true
	data, err := encode(tombstone, r)
	if err != nil {
		return "", s.note(err)
	}
	return tombstone, s.write(func() error {
		return s.reserve.retry(func() error { return s.bury(name, tombstone, before, data) })
	})
}

func (s *Store) bury(name, tombstone string, before, data []byte) error {
	if err := hit("write", tombstone); err != nil {
		return fmt.Errorf("bury record: %w", err)
	}
	marked, err := s.overwrite(name, data, syncData)
	if err != nil {
		return err
	}
	if !marked { // it is shorter than Docker wrote it, or gone
		if err := replaceFile(s.metadata, tombstone, data, syncRecord); err != nil {
			return err
		}
		// One sync makes both durable, in this order: filesystems commit the
		// changes of one directory in the order they were made, and Load copes
		// with seeing only the first.
		return removeFile(s.metadata, name)
	}
	if err := rename(filepath.Join(s.metadata, name), s.metadata, tombstone); err != nil {
		_, undone := s.overwrite(name, before, syncData)
		return errors.Join(fmt.Errorf("bury record: %w", err), undone)
	}
	if name == BaseName { // Load heeds its name alone
		return syncName(s.metadata, tombstone)
	}
	return nil
}

// Empty reports whether nothing was ever recorded here.
func (s *Store) Empty() (bool, error) {
	entries, err := list(s.metadata)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == intentName || e.Name() == deviceSetName || isRecordName(e.Name())
	}), nil
}

// WriteDeviceSet replaces the device set. It works on a full disk, so that a
// daemon there can be stopped.
func (s *Store) WriteDeviceSet(d DeviceSet) error {
	return s.write(func() error {
		return s.reserve.retry(func() error { return writeJSON(s.metadata, deviceSetName, d) })
	})
}

// DeviceSet returns the device set; ok is false where none was ever written.
func (s *Store) DeviceSet() (d DeviceSet, ok bool, err error) {
	ok, err = s.readOptional(deviceSetName, &d)
	return d, ok, err
}

func (s *Store) readOptional(name string, v any) (ok bool, err error) {
	err = s.read(func() error { return readJSON(s.metadata, name, v) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
