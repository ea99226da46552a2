package layer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// noteDisk remembers how a layer's last mount, sync or unpacking ended, where
// the disk below the pool's data had a part in it: the pool itself doesn't
// count what its data device fails at.
func (s *Store) noteDisk(l *layer, err error) {
	if l.removed {
		return // nobody would ever take it back
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EROFS): // EROFS: the filesystem has met EIO
		failure := fmt.Errorf("%s: the disk below the pool's data fails, or a filesystem on it or the pool's metadata is damaged; look at the kernel's log, and run dmthin check: %w", l, err)
		if s.failing[l.String()] == nil {
			s.log.WithField("layer", l.name()).Error(failure)
		}
		s.failing[l.String()] = failure
	case err == nil:
		delete(s.failing, l.String())
	}
}

// diskFailure returns what the disk last failed at, or nil.
func (s *Store) diskFailure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range s.failing {
		return err
	}
	return nil
}
