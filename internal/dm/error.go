package dm

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrUdevTimeout says that udevd did not finish with a device in time. The
// device itself is in place; its symlink in /dev/mapper may be missing.
var ErrUdevTimeout = errors.New("udevd did not confirm in time: is it running and responsive?")

// Error is a device-mapper call that failed. errors.Is finds its errno:
//
//	errors.Is(err, unix.EBUSY)
type Error struct {
	Op     string        // what was asked for: create, load, remove, message …
	Device string        // name of the device, or its UUID
	Detail string        // the message or the target's line, if there was one
	Errno  syscall.Errno // the kernel's answer; 0 when libdevmapper gave up before asking
}

func (e *Error) Error() string {
	what := "device-mapper " + e.Op
	if e.Device != "" {
		what += " " + e.Device
	}
	if e.Detail != "" {
		what += fmt.Sprintf(" %q", e.Detail)
	}
	if e.Errno == 0 {
		return what + ": libdevmapper failed without an error number (its log says more)"
	}
	return what + ": " + e.Errno.Error()
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}
