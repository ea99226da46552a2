package looplvm

import (
	"errors"
	"fmt"
)

// Why Open refuses files, for errors.Is. In none of these cases is a file
// made, changed or removed.
var (
	// ErrMissing: one file is gone, or both are although layers exist.
	ErrMissing = errors.New("file is missing")
	// ErrTruncated: a file is shorter than the pool that lives in it.
	ErrTruncated = errors.New("file was cut")
	// ErrForeign: the files are not a thin pool's.
	ErrForeign = errors.New("file is not a thin pool's")
	// ErrInUse: a file is attached to a loop device in a way that would show
	// other bytes than the file's, or that can't be written.
	ErrInUse = errors.New("file is in use")
)

// FileError is a refused or failed operation on one of the two files.
type FileError struct {
	Role string // "data" or "metadata"
	Path string
	Kind error  // one of the sentinels above, or nil
	What string // what was found
	Hint string // what the operator can do
	Err  error  // what the kernel said, or nil
}

func (e *FileError) Error() string {
	msg := fmt.Sprintf("loop-lvm %s file %s", e.Role, e.Path)
	if e.What != "" {
		msg += " " + e.What
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// Unwrap gives both the kind and the cause.
func (e *FileError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}
