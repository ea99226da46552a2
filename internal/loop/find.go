package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Find opens the loop device the file is attached to. The file is recognised
// by device and inode, not by name, so that renames and other mount namespaces
// don't matter. The error is ErrNotAttached when there is none, and
// ErrAttachedTwice when there are several.
func Find(file *os.File) (*Device, error) {
	return host.find(file)
}

func (k driver) find(file *os.File) (*Device, error) {
	fail := func(err error, hint string) error {
		return &Error{Op: "find the loop device of", Target: file.Name(), Err: err, Hint: hint}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, fail(err, "")
	}
	attached, err := listAttached()
	if err != nil {
		return nil, fail(err, "")
	}
	var found []*Device
	for _, a := range attached {
		d, err := k.openIfBacked(a.name, st.Dev, st.Ino)
		if errors.Is(err, ErrNoNode) && a.base != filepath.Base(file.Name()) {
			continue
		}
		if err != nil {
			closeAll(found)
			return nil, fail(err, "")
		}
		if d != nil {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, fail(ErrNotAttached, "")
	case 1:
		return found[0], nil
	default:
		closeAll(found)
		return nil, fail(fmt.Errorf("%w: %s", ErrAttachedTwice, paths(found)), "detach all but one with losetup -d")
	}
}

type attachedDevice struct {
	name string // loopN
	base string // last element of the file's path when it was attached
}

// listAttached lists the loop devices that have a file, as sysfs knows them:
// opening every node there is would take a system call for each.
func listAttached() ([]attachedDevice, error) {
	matches, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	all := make([]attachedDevice, 0, len(matches))
	for _, m := range matches {
		path, err := os.ReadFile(m)
		if err != nil {
			continue // detached meanwhile
		}
		all = append(all, attachedDevice{
			name: filepath.Base(filepath.Dir(filepath.Dir(m))),
			base: filepath.Base(strings.TrimSpace(string(path))),
		})
	}
	return all, nil
}

// openIfBacked returns nil when the device has another file, or none any more.
// A missing node is an error: the device behind it could have the file, and a
// second one on the same file would destroy it.
func (k driver) openIfBacked(name string, dev, inode uint64) (*Device, error) {
	path := filepath.Join(k.dev, name)
	d, err := openDevice(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, ErrNoNode)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return nil, nil
	case err != nil:
		return nil, err
	}
	status, err := d.Status()
	if err == nil && status.Dev == dev && status.Inode == inode {
		return d, nil
	}
	_ = d.Close()
	if err != nil && !errors.Is(err, ErrNotAttached) {
		return nil, err
	}
	return nil, nil
}

func closeAll(devices []*Device) {
	for _, d := range devices {
		_ = d.Close()
	}
}

func paths(devices []*Device) string {
	all := make([]string, len(devices))
	for i, d := range devices {
		all[i] = d.Path
	}
	return strings.Join(all, ", ")
}
