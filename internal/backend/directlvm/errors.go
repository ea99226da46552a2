package directlvm

import (
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/lvmpool"
)

// Error is a refusal; its Kind is one of the sentinels below, or of lvmpool's.
type Error = lvmpool.Error

// What callers tell apart with errors.Is. Nothing was written in any of these
// cases.
var (
	// ErrChanged: an option is not what the pool was set up with.
	ErrChanged = errors.New("the pool was set up with another value")
	// ErrMissing: the pool, or a disk of it, is not there.
	ErrMissing = errors.New("the pool is not there")
	// ErrNotPool: a device of that name is there and is no thin pool.
	ErrNotPool = lvmpool.ErrNotPool
	// ErrInUse: other thin devices are in the pool; or the disk is in use.
	ErrInUse = lvmpool.ErrInUse
	// ErrTaken: the volume group's name belongs to somebody else.
	ErrTaken = lvmpool.ErrTaken
	// ErrNotEmpty: a pool that is to be taken for new has been in use before.
	ErrNotEmpty = errors.New("the pool has been used before")
	// ErrUnhealthy: the pool is read-only, needs a check, or has failed.
	ErrUnhealthy = errors.New("the pool can't be written")
)

func refuse(kind error, subject, hint, found string, args ...any) *Error {
	return &Error{Subject: subject, Kind: kind, Found: fmt.Sprintf(found, args...), Hint: hint}
}
