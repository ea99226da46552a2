package thinpool

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What a call may fail with, besides the errno of the kernel's answer
// (errors.Is finds both).
var (
	ErrBusy         = errors.New("the device is in use")
	ErrDeviceExists = errors.New("that device ID or name is taken")
	ErrNoDevice     = errors.New("the pool has no such device ID")
	ErrNotActive    = errors.New("the device is not active")
	ErrSilent       = errors.New("the pool does not answer, as when a device below it hangs; look at the kernel's log")
	ErrForeign      = errors.New("the device belongs to someone else and is left alone")
)

// What Status.Check finds.
var (
	ErrNeedsCheck         = errors.New("the pool's metadata needs a check")
	ErrReadOnly           = errors.New("the pool is read-only")
	ErrOutOfMetadataSpace = errors.New("out of metadata space") // with ErrReadOnly
	ErrOutOfDataSpace     = errors.New("the pool is out of data space")
	ErrFailed             = errors.New("the pool has failed")
)

// meanings of an errno, whatever the call was.
var meanings = []struct {
	errno   unix.Errno
	meaning error
}{
	{unix.EBUSY, ErrBusy},
	{unix.EEXIST, ErrDeviceExists},
	{unix.ENODATA, ErrNoDevice},
	{unix.ENXIO, ErrNotActive},
}

// explain adds what an errno of device-mapper means here.
func explain(err error) error {
	for _, m := range meanings {
		if errors.Is(err, m.errno) && !errors.Is(err, m.meaning) {
			return fmt.Errorf("%w: %w", m.meaning, err)
		}
	}
	return err
}

// also adds what failed while an error was being dealt with.
func also(err, next error) error {
	switch {
	case next == nil:
		return err
	case err == nil:
		return next
	default:
		return fmt.Errorf("%w; then %w", err, next)
	}
}
