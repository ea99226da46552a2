package filesystem

import (
	"fmt"
)

// Type is a kind of filesystem, as mount(2) and dm.fs call it.
type Type string

// The supported filesystems.
const (
	Ext4 Type = "ext4"
	XFS  Type = "xfs"
)

// ParseType accepts "ext4" and "xfs".
func ParseType(s string) (Type, error) {
	switch t := Type(s); t {
	case Ext4, XFS:
		return t, nil
	default:
		return "", fmt.Errorf("%w %q: use ext4 or xfs", ErrUnsupported, s)
	}
}
