package takeover

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// examineSettings finds out whether daemon.json can be replaced. Its guard is the
// first step there and the first step back: once begun, neither could be done.
func (t *Takeover) examineSettings(s *survey) {
	if err := replaceable(t.config.path); err != nil {
		s.fatal("settings", "%s can't be replaced: %v; make it a file on a filesystem that is writable, or name the one that dockerd reads with --config-file", t.config.path, err)
	}
}

// replaceable asks the kernel about the file and its folder, or the folder that
// there is. A file that is a mount of its own can be written, but no other gets
// its name.
func replaceable(file string) error {
	file, err := realPath(file)
	if err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(file))
	switch {
	case err != nil:
		return err
	case len(mounts) > 0:
		return errors.New("it is a mount of its own")
	}
	dir := filepath.Dir(file)
	for !exists(dir) {
		dir = filepath.Dir(dir)
	}
	for _, path := range []string{dir, file} {
		if err := unix.Access(path, unix.W_OK); err != nil && exists(path) {
			return fmt.Errorf("write to %s: %w", path, err)
		}
	}
	return nil
}
