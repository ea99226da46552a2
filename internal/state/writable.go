package state

import (
	"context"
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
//
// A disk that fails may hang next. Nothing interrupts a write then, so one probe
// is left waiting when ctx ends, and no other is made before it returns.
func (s *Store) Writable(ctx context.Context) error {
	s.mu.Lock()
	failure := s.failure
	s.mu.Unlock()
	if failure == nil {
		return nil
	}
	if err := s.tryWriting(ctx); err != nil {
		return fmt.Errorf("records can't be written, so no layer can be made or filled; look at the disk of %s: %w", s.dir, err)
	}
	return s.note(nil)
}

func (s *Store) tryWriting(ctx context.Context) error {
	select {
	case s.probing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-s.probing }()
		done <- s.probe(s.metadata)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// probe writes a file of no meaning.
func probe(dir string) error {
	path, err := writeTemp(dir, []byte("probe"), syncRecord)
	if err != nil {
		return err
	}
	return os.Remove(path)
}
