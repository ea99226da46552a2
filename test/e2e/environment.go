//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// environment is what the tests are given to work with.
type environment struct {
	dmthind   string // the daemon under test
	dmthin    string // its command
	plugin    string // folder with the managed plugin's config.json and rootfs
	data      string // folder on a disk of its own, for data-roots; survives a power cut
	run       string // folder for sockets and Docker's runtime state
	artifacts string // folder for logs
}

// env is set by TestMain.
var env environment

// minFreeSpace is what the tests write at most, loop files included.
const minFreeSpace = 8 << 30

// loadEnvironment reads the variables of the environment and fails where
// something that a test needs is missing.
func loadEnvironment() (environment, error) {
	if os.Geteuid() != 0 {
		return environment{}, errors.New("these tests must run as root")
	}
	if _, err := os.Stat("/dev/mapper/control"); err != nil {
		return environment{}, fmt.Errorf("no device-mapper in this kernel: %w", err)
	}
	daemon := os.Getenv("DMTHIND")
	if daemon == "" {
		return environment{}, errors.New("DMTHIND must name the daemon to test")
	}
	build := filepath.Dir(daemon)
	e := environment{
		dmthind:   daemon,
		dmthin:    variable("DMTHIN", filepath.Join(build, "dmthin")),
		plugin:    variable("DMTHIN_PLUGIN", filepath.Join(build, "plugin")),
		data:      filepath.Join(variable("DMTHIN_DATA", "/var/lib/dmthin-test"), "e2e"),
		run:       "/run/dmthin-e2e",
		artifacts: variable("DMTHIN_ARTIFACTS", os.TempDir()),
	}
	for _, file := range []string{e.dmthind, e.dmthin, filepath.Join(e.plugin, "config.json"), busyboxPath} {
		if _, err := os.Stat(file); err != nil {
			return environment{}, err
		}
	}
	for _, program := range []string{"dockerd", "docker", "docker-registry"} {
		if _, err := exec.LookPath(program); err != nil {
			return environment{}, err
		}
	}
	for _, dir := range []string{e.data, e.run} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return environment{}, err
		}
	}
	return e, enoughSpace(e.data)
}

func variable(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// enoughSpace also refuses a tmpfs, which can't say that a loop file gave its
// space back.
func enoughSpace(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("statfs %s: %w", dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is a tmpfs; DMTHIN_DATA must name a folder on a disk", dir)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < minFreeSpace {
		return fmt.Errorf("%s has %d bytes free, the tests need %d", dir, free, int64(minFreeSpace))
	}
	return nil
}
