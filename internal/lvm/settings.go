package lvm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// settings is what takes the place of the host's lvm.conf where that can't be
// seen, and "" where it can. What LVM writes goes below l.dir, and none of the
// host's daemons is waited for.
func (l *LVM) settings() (string, error) {
	if l.dir == "" {
		return "", nil
	}
	for _, dir := range []string{l.backupDir(), l.archiveDir(), l.ProfileDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("make a directory for LVM's files: %w", err)
		}
	}
	return strings.Join([]string{
		// Without the host's list of devices, look at all of them; and udevd's
		// database may not tell a container everything.
		`devices{use_devicesfile=0 hints="none" obtain_device_list_from_udev=0}`,
		`backup{backup_dir="` + l.backupDir() + `" archive_dir="` + l.archiveDir() + `"}`,
		`config{profile_dir="` + l.ProfileDir() + `"}`,
		// The lock is shared with the host's own commands.
		`global{locking_dir="/run/lock/lvm" use_lvmpolld=0}`,
		// dmeventd would have to be started, here where it does not exist.
		`activation{monitoring=0}`,
	}, " "), nil
}

func (l *LVM) backupDir() string  { return filepath.Join(l.dir, "backup") }
func (l *LVM) archiveDir() string { return filepath.Join(l.dir, "archive") }

// ProfileDir is where LVM looks for profiles.
func (l *LVM) ProfileDir() string {
	if l.dir == "" {
		return filepath.Join(l.system, "profile")
	}
	return filepath.Join(l.dir, "profile")
}
