//go:build dmtest

package dm_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

// A wait that the rule forgot would take ten seconds and end in an error.
func TestTheUdevRuleSparesDmsetupAndChangesNothingElse(t *testing.T) {
	ours := dm.ID{Name: "dmtest-rule", UUID: "DMTHIN-rule"}
	settleUdev(t)
	before := life(t, ours, dm.UdevWait{})
	if !slices.Contains(before, "DEVLINKS=/dev/mapper/dmtest-rule") {
		t.Errorf("without the rule udev knows of the device %q, not its name", before)
	}
	installRule(t)

	events := monitor(t)
	// Debian 12's rules don't know that name.
	const newer = "DM_COOKIE_DISABLE_OTHER_RULES_FLAG=1"
	after := slices.DeleteFunc(life(t, ours, dm.UdevWait{}), func(s string) bool { return s == newer && !slices.Contains(before, s) })
	if !slices.Equal(after, before) {
		t.Errorf("udev knows of the device %q, without the rule %q", after, before)
	}
	if n := cookies(events(1)); n != 0 {
		t.Errorf("%d events with a cookie, for which dmsetup runs", n)
	}
	life(t, ours, dm.UdevWait{Wait: true})
	if n := cookies(events(2)); n != 2 {
		t.Errorf("%d events with a cookie when the device was waited for, want those of its creation and removal", n)
	}
	life(t, dm.ID{Name: "dmtest-rule", UUID: "DMTEST-rule"}, dm.UdevWait{})
	if n := cookies(events(3)); n != 4 {
		t.Errorf("%d events with a cookie after those of a device that isn't dmthin's, want two more", n)
	}
}

// life makes a device and removes it, and returns what udev knew of it, sorted.
func life(t *testing.T, dev dm.ID, wait dm.UdevWait) []string {
	t.Helper()
	defer removeIfThere(t, dev)
	info, err := dm.Create(t.Context(), dev, errorTable(8), dm.CreateOptions{Udev: wait})
	if err != nil {
		t.Fatal(err)
	}
	settleUdev(t)
	known := strings.Fields(dmtest.Run(t, "udevadm", "info", "--query=property", info.Path()))
	if err := dm.Remove(t.Context(), dev, dm.RemoveOptions{Udev: wait}); err != nil {
		t.Fatal(err)
	}
	settleUdev(t)
	slices.Sort(known)
	return slices.DeleteFunc(known, func(property string) bool {
		return strings.HasPrefix(property, "DISKSEQ=") || strings.HasPrefix(property, "USEC_INITIALIZED=")
	})
}

func installRule(t *testing.T) {
	t.Helper()
	const folder, name = "/run/udev/rules.d/", "09-dmthin.rules"
	rule, err := os.ReadFile("../../contrib/udev/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder+name, rule, 0o600); err != nil {
		t.Fatal(err)
	}
	dmtest.Run(t, "udevadm", "control", "--reload")
	t.Cleanup(func() {
		if err := os.Remove(folder + name); err != nil {
			t.Error(err)
		}
		dmtest.Run(t, "udevadm", "control", "--reload")
	})
}

// monitor returns what udev sends out from now on, after its rules, once that many
// devices were removed. The kernel tells of each removal twice, the second time
// without a cookie.
func monitor(t *testing.T) func(removed int) string {
	t.Helper()
	path := t.TempDir() + "/events"
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("udevadm", "monitor", "--udev", "--property", "--subsystem-match=block")
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
	})
	await := func(what string, times int) string {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), what) >= times {
				return string(text)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q is not there %d times after a minute:\n%s", what, times, text)
			}
		}
	}
	await("UDEV - ", 1)
	return func(removed int) string { return await("ACTION=remove\n", 2*removed) }
}

func cookies(events string) int { return strings.Count(events, "\nDM_COOKIE=") }
