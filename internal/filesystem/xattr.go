package filesystem

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxXattr is the kernel's limit for a list of names and for a value.
const maxXattr = 64 << 10

// copyXattrs copies the extended attributes of one file, links not followed.
func copyXattrs(from, to string) error {
	list := make([]byte, maxXattr)
	n, err := unix.Llistxattr(from, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	value := make([]byte, maxXattr)
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		if name == "" {
			continue
		}
		size, err := unix.Lgetxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("read extended attribute %s: %w", name, err)
		}
		if err := unix.Lsetxattr(to, name, value[:size], 0); err != nil {
			return fmt.Errorf("write extended attribute %s: %w", name, err)
		}
	}
	return nil
}
