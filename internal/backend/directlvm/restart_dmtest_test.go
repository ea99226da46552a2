//go:build dmtest

package directlvm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

// attach gives a file a loop device that the test may take away.
func attach(t *testing.T, file string) string {
	t.Helper()
	device := strings.TrimSpace(dmtest.Run(t, "losetup", "--find", "--show", "--direct-io=off", file))
	t.Cleanup(func() { _ = exec.Command("losetup", "--detach", device).Run() })
	return device
}

func image(t *testing.T, size int64) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	return file
}

// One set-up, for all that may have happened until the next start.
//
//vm:once
func TestPoolIsFoundAgainAfterWhateverHappened(t *testing.T) {
	file := image(t, gib)
	cfg, log := config(t)
	setup := Setup{Device: attach(t, file)}
	removeGroup(t, groupName)
	open := func(s Setup) error {
		log.Reset()
		_, err := OpenAutomatic(t.Context(), cfg, s)
		return err
	}
	if err := open(setup); err != nil {
		t.Fatal(err)
	}

	spelledOut := setup
	spelledOut.DataPercent, spelledOut.MetadataPercent, spelledOut.AutoextendThreshold, spelledOut.AutoextendPercent = 95, 1, 80, 20
	if err := open(spelledOut); err != nil || strings.Contains(log.String(), "set-up:") {
		t.Errorf("defaults spelled out: %v, %s", err, log)
	}
	for option, s := range map[string]Setup{
		"dm.directlvm_device":           {Device: "/dev/zero"},
		"dm.thinp_percent":              {Device: setup.Device, DataPercent: 90, MetadataPercent: 1},
		"dm.thinp_metapercent":          {Device: setup.Device, DataPercent: 95, MetadataPercent: 2},
		"dm.thinp_autoextend_threshold": {Device: setup.Device, AutoextendThreshold: 70},
		"dm.thinp_autoextend_percent":   {Device: setup.Device, AutoextendPercent: 30},
	} {
		wantError(t, open(s), ErrChanged, option)
	}

	config := filepath.Join(cfg.StateDir, "setup-config.json")
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	err := open(setup)
	if _, statErr := os.Stat(config); err != nil || statErr != nil {
		t.Errorf("after setup-config.json was lost: %v, %v", err, statErr)
	}

	other := cfg
	other.StateDir, other.Identity = t.TempDir(), "99999999"
	_, err = OpenAutomatic(t.Context(), other, setup)
	wantError(t, err, ErrTaken, "docker", cfg.Identity, "dm.thinpooldev")

	// The disk gets another name.
	dmtest.Run(t, "vgchange", "-an", "docker")
	dmtest.Run(t, "losetup", "--detach", setup.Device)
	wantError(t, open(setup), ErrMissing, "docker-thinpool", setup.Device, "physical volume", "attach the missing disk")
	attach(t, image(t, mib)) // takes the old name
	renamed := attach(t, file)
	if err := open(setup); err != nil || !strings.Contains(log.String(), setup.Device+" is now "+renamed) {
		t.Errorf("renamed: %v, %s", err, log)
	}
	if err := open(Setup{Device: renamed}); err != nil {
		t.Errorf("the option follows the disk: %v", err)
	}
}

//vm:once
func TestMissingDiskOfSeveralIsNamed(t *testing.T) {
	first := smallPool(t, "80")
	file := image(t, 65*mib)
	second := attach(t, file)
	dmtest.Run(t, "vgextend", "docker", second)
	dmtest.Run(t, "lvextend", "-l", "+100%FREE", "docker/thinpool")
	cfg, _ := config(t)
	if _, err := OpenManual(t.Context(), cfg, "docker-thinpool"); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "vgchange", "-an", "docker")
	dmtest.Run(t, "losetup", "--detach", second)
	_, err := OpenManual(t.Context(), cfg, "docker-thinpool")
	wantError(t, err, ErrMissing, "docker", second, "attach the missing disk")
	if strings.Contains(err.Error(), first) {
		t.Errorf("a disk that is there is named: %v", err)
	}
	attach(t, file)
	if _, err := OpenManual(t.Context(), cfg, "docker-thinpool"); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}
