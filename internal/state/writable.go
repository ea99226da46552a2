package state

import (
	"fmt"
	"os"
)

// write changes records.
func (s *Store) write(change func() error) error {
	s.writing.RLock()
	defer s.writing.RUnlock()
	if s.closed {
		return fmt.Errorf("write a record in %s: %w", s.metadata, ErrClosed)
	}
	return s.note(change())
}

// note remembers how the last write of a record ended.
func (s *Store) note(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
	return err
}

// Suspect has the next Writable look, after something else than a record could
// not be written where the records may be.
func (s *Store) Suspect(err error) { _ = s.note(err) }

// Writable returns nil unless the last write of a record failed and writing is
// still not possible. It writes nothing where all is well.
func (s *Store) Writable() error {
	s.mu.Lock()
	failure := s.failure
	s.mu.Unlock()
	if failure == nil {
		return nil
	}
	probe, err := writeTemp(s.metadata, []byte("probe"), syncRecord)
	if err == nil {
		err = os.Remove(probe)
	}
	if err != nil {
		return fmt.Errorf("records can't be written, so no layer can be made or filled; look at the disk of %s: %w", s.dir, err)
	}
	return s.note(nil)
}
