package loop

import (
	"errors"
	"fmt"
)

// What callers tell apart with errors.Is.
var (
	// ErrNotAttached: no loop device has this file.
	ErrNotAttached = errors.New("not attached to a loop device")
	// ErrAttachedTwice: more than one loop device has this file, so that two
	// writers could destroy it.
	ErrAttachedTwice = errors.New("attached to more than one loop device")
	// ErrNoNode: the kernel has the loop device, but /dev does not show it.
	ErrNoNode = errors.New("its node does not exist")
	// ErrNoneFree: other processes took every loop device that was offered.
	ErrNoneFree = errors.New("every free loop device was taken by another process")
)

// Error is a failed operation on a loop device. Err is the kernel's errno or
// one of the sentinels above.
type Error struct {
	Op     string // "attach", "detach" …
	Target string // the backing file, or the device
	Err    error
	Hint   string // what the operator can do; may be empty
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: %v", e.Op, e.Target, e.Err)
	if e.Hint != "" {
		msg += " (" + e.Hint + ")"
	}
	return msg
}

func (e *Error) Unwrap() error { return e.Err }
