package takeover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

// lock keeps other runs, dockerd and dmthind out. dockerd holds the lock of its
// database of volumes for as long as it runs, and doesn't start without it.
func (t *Takeover) lock() error {
	if err := t.hold(t.root, "another dmthin adopt or release is at work on "+t.root); err != nil {
		return err
	}
	volumes := filepath.Join(t.root, "volumes", "metadata.db")
	if err := t.hold(volumes, "dockerd runs on "+t.root+"; stop it first: systemctl stop docker.socket docker"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	daemon, err := state.Look(DMThin.state(t.root)).Lock()
	switch {
	case errors.Is(err, state.ErrLocked):
		return fmt.Errorf("%w: dmthind runs on %s; stop it first: systemctl stop dmthin, or if it is the managed plugin, start and stop docker once", ErrBusy, DMThin.state(t.root))
	case err != nil:
		return fmt.Errorf("look for a dmthind: %w", err)
	case daemon != nil:
		t.locks = append(t.locks, daemon)
	}
	return nil
}

// hold takes a file's lock and keeps it until Close.
func (t *Takeover) hold(path, busy string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	t.locks = append(t.locks, f)
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", ErrBusy, busy)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}
