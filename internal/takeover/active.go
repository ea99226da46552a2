package takeover

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

// refuseActive looks for what outlives the daemons: mounts, and devices that
// containers or a crash left active.
func (t *Takeover) refuseActive(d Driver) error {
	dir, err := realPath(d.state(t.root))
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	for _, m := range mounts {
		if m.Mountpoint == dir {
			return fmt.Errorf("%w: %s is a filesystem of its own, which can't be renamed: move what is in it into a folder of that name on the filesystem of %s, or mount it over the whole data-root", ErrBusy, dir, t.root)
		}
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%w: %s is mounted; stop all containers (live-restore leaves them running) and start and stop docker once, or reboot without it", ErrBusy, mounts[0].Mountpoint)
	}
	prefix, err := t.devicePrefix(d)
	if err != nil || prefix == "" {
		return err
	}
	files, err := filepath.Glob(filepath.Join(t.sys, "block/dm-*/dm/name"))
	if err != nil {
		return err
	}
	for _, file := range files {
		name, err := os.ReadFile(file)
		if err == nil && strings.HasPrefix(string(name), prefix) {
			return fmt.Errorf("%w: device %s is active; stop all containers, then start and stop docker once, or reboot without it", ErrBusy, strings.TrimSpace(string(name)))
		}
	}
	return nil
}

// devicePrefix begins the names of a driver's devices: Docker's comes from
// where its folder is on disk.
func (t *Takeover) devicePrefix(d Driver) (string, error) {
	if d == DMThin {
		id, ok, err := state.Look(d.state(t.root)).KnownIdentity()
		if err != nil || !ok {
			return "", err
		}
		return "dmthin-" + id.PoolID + "-", nil
	}
	var st unix.Stat_t
	if err := unix.Stat(d.state(t.root), &st); err != nil {
		return "", fmt.Errorf("look at %s: %w", d.state(t.root), err)
	}
	return fmt.Sprintf("docker-%d:%d-%d-", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino), nil
}
