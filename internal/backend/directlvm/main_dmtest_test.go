//go:build dmtest

package directlvm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`switching pool to out-of-data-space`,
		`reached low water mark`,
	)
}

// config is of a fresh state directory; log collects what an operator sees.
func config(t *testing.T) (Config, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	return Config{StateDir: t.TempDir(), Identity: "4f1c0a2b", ThinUUIDPrefix: "DMTHIN-4f1c0a2b-", Log: logger}, &log
}

// removeGroup takes a volume group away, and the labels off its disks, however
// far the test got.
func removeGroup(t *testing.T, name string) {
	t.Cleanup(func() {
		ctx := t.Context()
		_ = ctx
		out, _ := exec.Command("pvs", "--noheadings", "-o", "pv_name", "-S", "vg_name="+name).Output()
		_ = exec.Command("vgremove", "--force", "--force", "--yes", name).Run()
		for _, device := range strings.Fields(string(out)) {
			_ = exec.Command("pvremove", "--force", "--force", "--yes", device).Run()
		}
	})
}

// setUp sets direct-lvm up on a fresh disk.
func setUp(t *testing.T, size int64) (Config, Setup, *Pool) {
	t.Helper()
	cfg, _ := config(t)
	s := Setup{Device: dmtest.Loop(t, size)}
	removeGroup(t, groupName)
	p, err := OpenAutomatic(t.Context(), cfg, s)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, s, p
}

func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func checksum(t *testing.T, device string) [32]byte {
	t.Helper()
	dmtest.Run(t, "blockdev", "--flushbufs", device)
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func volumeOf(t *testing.T, cfg Config, v volume) lvm.LogicalVolume {
	t.Helper()
	lv, err := cfg.lvm().LogicalVolume(t.Context(), v.vg, v.lv)
	if err != nil {
		t.Fatal(err)
	}
	return lv
}
