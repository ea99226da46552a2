package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// closedName is a file that is there while the pool is inactive and was made so
// in order.
const closedName = "pool-closed"

// NoteClosed remembers that the pool was made inactive in order.
func (s *Store) NoteClosed() error { return writeFile(s.dir, closedName, nil) }

// TakeClosed tells whether the pool was last made inactive in order, and forgets
// it, since whoever asks is about to use the pool. After a power cut the answer
// is no.
func (s *Store) TakeClosed() (bool, error) {
	err := os.Remove(filepath.Join(s.dir, closedName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("forget that the pool was closed: %w", err)
	}
	return true, syncDir(s.dir)
}
