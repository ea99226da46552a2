package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/executable"
)

type toolset struct {
	programs []string
	pkg      string // Debian's name
}

var tools = map[Type]toolset{
	Ext4: {[]string{"mkfs.ext4", "e2fsck", "resize2fs", "tune2fs", "debugfs"}, "e2fsprogs"},
	XFS:  {[]string{"mkfs.xfs"}, "xfsprogs"},
}

// Available tells whether this machine can make and mount filesystems of the
// type. The error wraps ErrUnavailable and says what to install. It may make
// the kernel load a module.
func Available(_ context.Context, t Type) error {
	if _, err := ParseType(string(t)); err != nil {
		return err
	}
	for _, program := range tools[t].programs {
		if _, err := executable.Find(program); err != nil {
			return fmt.Errorf("%s is %w: program %s not found; install package %s", t, ErrUnavailable, program, tools[t].pkg)
		}
	}
	return kernelHas(t)
}

func kernelHas(t Type) error {
	listed, err := os.ReadFile("/proc/filesystems")
	if err == nil && slices.Contains(strings.Fields(string(listed)), string(t)) {
		return nil
	}
	// Asking for a filesystem context makes the kernel load the module.
	fd, err := unix.Fsopen(string(t), unix.FSOPEN_CLOEXEC)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s is %w: the kernel lacks it; load its module or use another dm.fs", t, ErrUnavailable)
	}
	return fmt.Errorf("%s is %w: ask the kernel for it: %w", t, ErrUnavailable, err)
}
