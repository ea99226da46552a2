package state

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// reserveSize is room for some hundred record files on any block size.
const reserveSize = 1 << 20

// reserve is a file that holds disk space for the records that removing a
// layer writes. Without it a full disk could never be emptied: each removal
// needs a few hundred bytes first.
type reserve struct {
	dir string
	mu  sync.Mutex // protects the file against two callers giving it up at once
}

func (r *reserve) path() string { return filepath.Join(r.dir, ".reserve") }

// fill takes the space where it can be had. Failing is fine: the disk is full
// now, and the next success tries again.
func (r *reserve) fill() {
	f, err := os.OpenFile(r.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, reserveSize); err != nil {
		_ = f.Truncate(0)
	}
}

// retry runs write, and once more with the reserve given up if the disk is full.
func (r *reserve) retry(write func() error) error {
	err := write()
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if os.Truncate(r.path(), 0) != nil || syncDir(r.dir) != nil {
		return err
	}
	err = write()
	r.fill()
	return err
}
