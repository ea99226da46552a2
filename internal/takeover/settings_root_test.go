//go:build roottest

package takeover

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Neither the first step there nor the first one back could be done.
func TestSettingsThatCanNotBeReplacedAreFoundBeforeAnythingChanges(t *testing.T) {
	adopt, _, _ := operations(t)
	for what, spoil := range map[string]func(h *dockerHost, disk smallDisk) error{
		"a read-only filesystem": func(h *dockerHost, disk smallDisk) error {
			h.config = filepath.Join(string(disk), "docker/daemon.json")
			return unix.Mount("", string(disk), "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		},
		"a mount of its own": func(h *dockerHost, disk smallDisk) error {
			file := filepath.Join(string(disk), "daemon.json")
			write(t, file, "{}")
			t.Cleanup(func() { _ = unix.Unmount(h.config, 0) })
			return unix.Mount(file, h.config, "", unix.MS_BIND, "")
		},
	} {
		h := newDockerHost(t)
		if err := spoil(h, newSmallDisk(t)); err != nil {
			t.Fatal(err)
		}
		before := h.files(t)
		p, err := h.try(t, adopt, nil, nil)
		if names := findingNames(p); !errors.Is(err, ErrFound) || len(names) != 1 || names[0] != "settings" {
			t.Errorf("on %s: %v, findings %q", what, err, names)
		}
		requireSame(t, what, before, h.files(t))
	}
}
