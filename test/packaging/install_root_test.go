//go:build roottest

package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstallPutsEverythingBelowThePrefix(t *testing.T) {
	dest := t.TempDir()
	run(t, "make", "-C", "../..", "install", "DESTDIR="+dest, "PREFIX=/usr", "UNITDIR=/usr/lib/systemd/system",
		"RULESDIR=/usr/lib/udev/rules.d")
	for _, path := range []string{
		"usr/sbin/dmthind", "usr/bin/dmthin", "usr/lib/systemd/system/dmthin.service", "usr/lib/udev/rules.d/09-dmthin.rules",
		"usr/share/man/man1/dmthin.1", "usr/share/man/man1/dmthin-pool-create.1", "usr/share/man/man8/dmthind.8",
		"usr/share/bash-completion/completions/dmthin", "usr/share/zsh/site-functions/_dmthin", "usr/share/fish/vendor_completions.d/dmthin.fish",
	} {
		info, err := os.Stat(filepath.Join(dest, path))
		if err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dest, "usr/lib/systemd/system/dmthin.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/sbin/dmthind\n") {
		t.Errorf("the unit doesn't start the daemon from its place: %v", err)
	}
}
