package filesystem

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// MountPoint is a mount in this process's namespace.
type MountPoint struct {
	Dir          string
	Source       string // as given to mount(2)
	Major, Minor uint32 // of the device
	ReadOnly     bool
}

// Mounts lists what is mounted below a directory, not on it, oldest first.
func Mounts(_ context.Context, under string) ([]MountPoint, error) {
	prefix := strings.TrimSuffix(filepath.Clean(under), "/") + "/"
	infos, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(m.Mountpoint, prefix), false
	})
	if err != nil {
		return nil, fmt.Errorf("list mounts below %s: %w", under, err)
	}
	all := make([]MountPoint, len(infos))
	for i, m := range infos {
		all[i] = MountPoint{
			Dir: m.Mountpoint, Source: m.Source,
			Major: uint32(m.Major), Minor: uint32(m.Minor),
			ReadOnly: readOnly(m.Options) || readOnly(m.VFSOptions),
		}
	}
	return all, nil
}

func readOnly(options string) bool {
	first, _, _ := strings.Cut(options, ",") // the kernel prints ro or rw first
	return first == "ro"
}

// mountOn finds the topmost mount on dir.
func mountOn(dir string) (*mountinfo.Info, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	infos, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.Mountpoint != abs, false
	})
	if err != nil {
		return nil, fmt.Errorf("find the mount on %s: %w", dir, err)
	}
	if len(infos) == 0 {
		return nil, &MountError{Op: "remount", Dir: dir, Err: errNotMounted}
	}
	return infos[len(infos)-1], nil
}
