package filesystem

import (
	"errors"
	"fmt"
	"strings"

	"github.com/docker/go-units"
)

// What callers tell apart with errors.Is.
var (
	// ErrUnsupported: not one of the filesystems this package handles.
	ErrUnsupported = errors.New("unsupported filesystem")
	// ErrNoFilesystem: the device starts with no superblock known here.
	ErrNoFilesystem = errors.New("no ext4 or xfs filesystem found")
	// ErrNotEmpty: Format was to overwrite a filesystem.
	ErrNotEmpty = errors.New("already holds a filesystem")
	// ErrUnavailable: the kernel or a program is missing.
	ErrUnavailable = errors.New("not available on this machine")
	// ErrTooSmall: the content does not fit into the size asked for.
	ErrTooSmall = errors.New("too small for what is stored")
	// ErrCannotShrink: xfs can't be made smaller.
	ErrCannotShrink = errors.New("this filesystem can't be shrunk")
	// ErrNoReplay: the mount skipped the journal and must stay read-only.
	ErrNoReplay   = errors.New("mounted without journal replay")
	errNotMounted = errors.New("nothing is mounted there")
	// ErrOtherMount: something else is mounted than what was to be unmounted.
	ErrOtherMount = errors.New("that is no mount of the layer's, and stays; see findmnt")
	// ErrMountOption: a mount option that this package can't let through.
	ErrMountOption = errors.New("mount option not allowed")
)

// TooSmallError says how much is stored. errors.Is(err, ErrTooSmall) holds.
type TooSmallError struct {
	Target string // device or directory
	Size   int64  // bytes asked for
	Used   int64  // bytes in files and directories; the filesystem's own structures come on top
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("cannot limit %s to %s: %s are in use, and the filesystem itself needs room; choose a larger size",
		e.Target, units.BytesSize(float64(e.Size)), units.BytesSize(float64(e.Used)))
}

// Is makes errors.Is(err, ErrTooSmall) true.
func (e *TooSmallError) Is(target error) bool { return target == ErrTooSmall }

// MountError is a refused mount, remount or unmount.
type MountError struct {
	Op     string // "mount", "remount", "unmount"
	Device string // empty for unmount
	Dir    string
	Kernel string // what the kernel logged about it, if that could be read
	Err    error
}

func (e *MountError) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + " ")
	if e.Device != "" {
		b.WriteString(e.Device + " on ")
	}
	fmt.Fprintf(&b, "%s: %v", e.Dir, e.Err)
	if e.Kernel != "" {
		b.WriteString(" (kernel: " + e.Kernel + ")")
	}
	return b.String()
}

func (e *MountError) Unwrap() error { return e.Err }

// ProgramError is a program that failed.
type ProgramError struct {
	Program string
	Target  string // the device it worked on
	Stderr  string // its complaint, in one line
	Err     error  // *exec.ExitError, or why it could not run
}

func (e *ProgramError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s %s: %v", e.Program, e.Target, e.Err)
	}
	return fmt.Sprintf("%s %s: %v: %s", e.Program, e.Target, e.Err, e.Stderr)
}

func (e *ProgramError) Unwrap() error { return e.Err }
