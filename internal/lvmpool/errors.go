package lvmpool

import (
	"errors"
	"fmt"
)

// What callers tell apart with errors.Is. Nothing was written in any of these
// cases.
var (
	// ErrInUse: a mount, another device or a program has the disk.
	ErrInUse = errors.New("in use by something else")
	// ErrSigned: the disk has a filesystem, a partition table or the like.
	ErrSigned = errors.New("the disk is not empty")
	// ErrTooSmall: the disks don't hold the smallest pool.
	ErrTooSmall = errors.New("too small")
	// ErrUnsuitable: not a disk one can write to.
	ErrUnsuitable = errors.New("not a disk that can be used")
	// ErrTaken: the volume group's name belongs to somebody else.
	ErrTaken = errors.New("the volume group is somebody else's")
	// ErrNotPool: a device of that name is there and is no thin pool.
	ErrNotPool = errors.New("not a thin pool")
)

// Error is a refusal.
type Error struct {
	Subject string // the disk, pool or option, with the word for what it is
	Kind    error  // one of the sentinels above
	Found   string // what was found
	Hint    string // the next step
	Err     error  // what LVM or the kernel said, or nil
}

func (e *Error) Error() string {
	msg := e.Subject + " " + e.Found
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

func refuse(kind error, subject, hint, found string, args ...any) *Error {
	return &Error{Subject: subject, Kind: kind, Found: fmt.Sprintf(found, args...), Hint: hint}
}
