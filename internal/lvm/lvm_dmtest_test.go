//go:build dmtest

package lvm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

func TestMain(m *testing.M) { dmtest.Main(m) }

// As in the managed plugin, which sees the host's /dev, /run/udev and
// /run/lock, but not its /etc/lvm.
//
//vm:once
func TestPoolIsMadeAndExtendedWithoutTheHostsSettings(t *testing.T) {
	const mib = 1 << 20
	l := newIn(Config{Dir: filepath.Join(t.TempDir(), "lvm")}, "/nonexistent")
	disk, vg := dmtest.Loop(t, 81*mib), "dmthintest"
	run := func(c Command) {
		t.Helper()
		if err := l.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	run(CreatePV(disk, NewUUID()))
	t.Cleanup(func() { dmtest.Run(t, "pvremove", "--yes", disk) })
	run(CreateVG(vg, "dmthin=4f1c0a2b", disk))
	t.Cleanup(func() { dmtest.Run(t, "vgremove", "--force", "--yes", vg) })
	run(CreateLVOfSize(vg, "tp", 32*mib))
	run(CreateLV(vg, "tpmeta", "5%VG"))
	run(ConvertToPool(vg, "tp", "tpmeta", 512<<10, true))
	if err := l.WriteProfile("dmthintest-tp", Policy{Threshold: 60, Percent: 25}); err != nil {
		t.Fatal(err)
	}
	run(SetProfile(vg, "tp", "dmthintest-tp"))

	group, err := l.VolumeGroup(t.Context(), vg)
	if err != nil || group.Free != 40*mib || len(group.Tags) != 1 || group.Tags[0] != "dmthin=4f1c0a2b" {
		t.Errorf("%+v, %v", group, err)
	}
	if backups, _ := filepath.Glob(filepath.Join(l.dir, "backup", vg)); len(backups) != 1 {
		t.Error("LVM's backup of its metadata is not below the directory given")
	}
	run(Deactivate(vg, "tp"))
	run(Activate(vg, "tp"))
	if v, err := l.LogicalVolume(t.Context(), vg, "tp"); err != nil || v.Type != ThinPool || v.Active != "active" || v.Profile != "dmthintest-tp" {
		t.Errorf("%+v, %v", v, err)
	}

	const thin = "dmtest-lvm-thin"
	dmtest.Run(t, "dmsetup", "message", "dmthintest-tp", "0", "create_thin 1")
	dmtest.Run(t, "dmsetup", "create", thin, "--table", "0 131072 thin /dev/mapper/dmthintest-tp 1")
	t.Cleanup(func() { dmtest.Run(t, "dmsetup", "remove", "--retry", thin) })
	dmtest.Run(t, "dd", "if=/dev/zero", "of=/dev/mapper/"+thin, "bs=1M", "count=24", "oflag=direct")
	g, err := l.ExtendByPolicy(t.Context(), vg, "tp", Policy{Threshold: 100})
	if err != nil || g.Data != 8*mib || g.Free != 32*mib {
		t.Errorf("%+v, %v", g, err)
	}

	// On the host the profile is not to be seen, and the pool grows as the
	// caller says.
	if err := os.Remove(l.ProfilePath("dmthintest-tp")); err != nil {
		t.Fatal(err)
	}
	if _, err = l.ExtendByPolicy(t.Context(), vg, "tp", Policy{Threshold: 100}); !errors.Is(err, ErrPolicyDisabled) {
		t.Errorf("error %v, want %v", err, ErrPolicyDisabled)
	}
	if g, err = l.ExtendByPolicy(t.Context(), vg, "tp", Policy{Threshold: 50, Percent: 50}); err != nil || g.Data != 20*mib {
		t.Errorf("%+v, %v", g, err)
	}
}
