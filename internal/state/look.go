package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// View reads the records in a state directory and changes nothing there. That suits a directory that is not dmthin's, or not yet; who
// looks sees to it that nobody writes meanwhile.
type View struct{ s Store }

// Look makes a View. The directory need not exist.
func Look(dir string) *View {
	return &View{Store{dir: dir, metadata: filepath.Join(dir, "metadata")}}
}

// Scan is Store.Scan.
func (v *View) Scan() (Records, error) { return v.s.Scan() }

// Intent is Store.Intent.
func (v *View) Intent() (i Intent, ok bool, err error) { return v.s.Intent() }

// DeviceSet is Store.DeviceSet.
func (v *View) DeviceSet() (d DeviceSet, ok bool, err error) { return v.s.DeviceSet() }

// KnownIdentity is Store.KnownIdentity.
func (v *View) KnownIdentity() (id Identity, ok bool, err error) { return v.s.KnownIdentity() }

// Empty reports whether nothing was ever recorded there.
func (v *View) Empty() (bool, error) {
	empty, err := v.s.Empty()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return empty, err
}

// Lock keeps daemons out of the directory until the file is closed, which is nil
// where no daemon ever was. ErrLocked: one runs.
func (v *View) Lock() (*os.File, error) {
	lock, err := os.Open(filepath.Join(v.s.dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
