package lvm

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/dmthin/dmthin/internal/executable"
)

// What callers tell apart with errors.Is.
var (
	// ErrNotFound: there is no volume or volume group of that name.
	ErrNotFound = errors.New("there is none")
	// ErrExists: the name is taken.
	ErrExists = errors.New("that name is taken")
	// ErrInUse: a mount, another device or another program holds it.
	ErrInUse = errors.New("it is in use")
	// ErrNoSpace: the volume group has not enough free extents.
	ErrNoSpace = errors.New("the volume group has too little free space")
	// ErrMissingPV: a physical volume of the volume group is not there.
	ErrMissingPV = errors.New("a physical volume is missing")
	// ErrNeedsRepair: thin_check found the pool's metadata damaged.
	ErrNeedsRepair = errors.New("the pool's metadata needs repair")
	// ErrAmbiguous: there are two volume groups of one name.
	ErrAmbiguous = errors.New("more than one volume group has that name")
	// ErrTooLong: it was stopped, since others may wait for what it holds.
	ErrTooLong = errors.New("it did not end in time")
)

// Error is a command that failed.
type Error struct {
	Command Command
	Said    string // the command's complaint, in one line
	Kind    error  // one of the sentinels above or fs.ErrPermission where the complaint is known, or nil
	Err     error  // *exec.ExitError, why it could not run, or why it was stopped
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: %v", e.Command.Program, e.Command.Target, e.Err)
	if e.Said != "" {
		msg += ": " + e.Said
	}
	if hint := hints[e.Kind]; hint != "" {
		msg += "; " + strings.ReplaceAll(hint, "TARGET", e.Command.Target)
	}
	return msg
}

// Unwrap gives both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// hints say what the operator can do.
var hints = map[error]string{
	ErrExists:      "see what has the name with vgs and lvs",
	ErrInUse:       "see who has it with lsblk TARGET and fuser -v TARGET",
	ErrNoSpace:     "add a disk: dmthin pool extend --device DISK, or vgextend",
	ErrMissingPV:   "attach the missing disk; pvs -o+pv_uuid,missing shows which",
	ErrTooLong:     "another command of LVM's may hold the lock it waits for: see lslocks",
	ErrNeedsRepair: "repair it: dmthin repair, or lvconvert --repair TARGET",
}

// complaints are words of LVM's, as every release since 2.02.100 has them, and
// what they mean.
var complaints = []struct {
	words string
	kind  error
}{
	{"permission denied", fs.ErrPermission},
	{"already exists", ErrExists},
	{"insufficient free space", ErrNoSpace},
	{"insufficient suitable", ErrNoSpace},
	{"free extents", ErrNoSpace},
	{"can't open", ErrInUse},
	{"device or resource busy", ErrInUse},
	{"in use", ErrInUse},
	{"mounted filesystem", ErrInUse},
	{"manual repair required", ErrNeedsRepair},
	{"partial lv", ErrMissingPV},
	{"pvs are missing", ErrMissingPV},
	{"missing physical volume", ErrMissingPV},
	{"multiple vgs found", ErrAmbiguous},
	{"failed to find logical volume", ErrNotFound},
	{"volume group \"", ErrNotFound}, // … not found
}

func classify(said string) error {
	said = strings.ToLower(said)
	for _, c := range complaints {
		if strings.Contains(said, c.words) && (!errors.Is(c.kind, ErrNotFound) || strings.Contains(said, "not found") || strings.Contains(said, "failed to find")) {
			return c.kind
		}
	}
	return nil
}

// MissingToolError is a program that is not installed.
type MissingToolError struct{ Program string }

func (e *MissingToolError) Error() string {
	return fmt.Sprintf("%s is not installed; install the package %s", e.Program, packageOf(e.Program))
}

func packageOf(program string) string {
	switch {
	case isLVM(program) || program == "lvm":
		return "lvm2"
	case strings.HasPrefix(program, "thin_"):
		return "thin-provisioning-tools (Debian, Ubuntu) or device-mapper-persistent-data (Fedora, RHEL)"
	}
	return "util-linux"
}

// CheckTools returns a *MissingToolError for the first program that is not
// there. thin_check is one that LVM itself runs: without it, it activates no
// pool.
func CheckTools(programs ...string) error {
	for _, program := range programs {
		look := program
		if isLVM(program) {
			look = "lvm"
		}
		if _, err := executable.Find(look); err != nil {
			return &MissingToolError{Program: program}
		}
	}
	return nil
}
