package blockdevice

import (
	"errors"
	"fmt"
)

// What callers tell apart with errors.Is. Nothing was written in these cases.
var (
	// ErrInUse: a mount, another device or a program has the device.
	ErrInUse = errors.New("in use by something else")
	// ErrNotEmpty: something is on the device, and it is not our pool.
	ErrNotEmpty = errors.New("not empty")
	// ErrMissing: there are layers, but the device or file doesn't hold them.
	ErrMissing = errors.New("the pool is not there")
	// ErrUnsuitable: not a device one can write to.
	ErrUnsuitable = errors.New("not a device that can be used")
)

// Error is a refusal.
type Error struct {
	Role  string // "data" or "metadata"
	Path  string
	Kind  error // one of the sentinels above
	Found string
	Hint  string // the next step
	Err   error  // what the kernel or a program said, or nil
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("%s device %s %s", e.Role, e.Path, e.Found)
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// Unwrap gives both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
