//go:build dmtest

package directlvm

import (
	"os"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

// After a reboot nobody may have activated the volume.
//
//vm:once
func TestManualPoolIsUsedUnderEveryNameAndActivatedIfNeedBe(t *testing.T) {
	manualPool(t)
	for name, active := range map[string]bool{"/dev/mapper/docker-thinpool": true, "/dev/docker/thinpool": false} {
		if !active {
			dmtest.Run(t, "vgchange", "-an", "docker")
		}
		cfg, log := config(t)
		p, err := OpenManual(t.Context(), cfg, name)
		if err != nil {
			t.Fatal(err)
		}
		if p.PoolName() != "docker-thinpool" || p.Volume() != "docker/thinpool" {
			t.Errorf("%s: pool %s, volume %s", name, p.PoolName(), p.Volume())
		}
		if said := strings.Contains(log.String(), "activated logical volume docker/thinpool, which was inactive"); said == active {
			t.Errorf("%s: active before: %v, log %q", name, active, log)
		}
		if _, err := os.Stat(p.MetadataDevice()); err != nil {
			t.Error(err)
		}
	}
	// Docker's driver left a volume group of its name alone too, but would not
	// say how to use it.
	cfg, _ := config(t)
	_, err := OpenAutomatic(t.Context(), cfg, Setup{Device: "/dev/vdc"})
	wantError(t, err, ErrTaken, "docker", "dm.thinpooldev=docker-thinpool")
}

//vm:once
func TestPoolThatIsNoneOfOursIsRefusedWithTheNextStep(t *testing.T) {
	smallPool(t, "80")
	dmtest.Run(t, "lvcreate", "-n", "plain", "-L", "4M", "docker")
	cfg, _ := config(t)
	for name, want := range map[string][]string{
		"docker-plain": {"not a thin pool", "lvs -S segtype=thin-pool"},
		"docker-no":    {"volume group docker has no volume no", "dmthin pool create"},
		"no-such":      {"no volume group no", "dmthin pool create"},
		"nothing":      {"does not exist", "dmsetup ls --target thin-pool"},
	} {
		_, err := OpenManual(t.Context(), cfg, name)
		kind := ErrMissing
		if name == "docker-plain" {
			kind = ErrNotPool
		}
		wantError(t, err, kind, append(want, name)...)
	}
	dmtest.Run(t, "lvchange", "-an", "docker/plain")
	_, err := OpenManual(t.Context(), cfg, "docker/plain")
	wantError(t, err, ErrNotPool, "docker/plain", "linear", "lvconvert")

	dmtest.Run(t, "lvcreate", "-n", "theirs", "-V", "16M", "--thinpool", "docker/thinpool")
	for range 2 {
		_, err = OpenManual(t.Context(), cfg, "docker-thinpool")
		wantError(t, err, ErrInUse, "docker-thinpool", "theirs", "dmthin pool create")
		dmtest.Run(t, "lvchange", "-an", "docker/theirs")
	}
}

//vm:once
func TestPoolThatHasBeenUsedIsRefusedUnlessTheRecordsAreThere(t *testing.T) {
	smallPool(t, "80")
	device := thin(t, "SOMEONE-ELSE")
	cfg, _ := config(t)
	_, err := OpenManual(t.Context(), cfg, "docker-thinpool")
	wantError(t, err, ErrInUse, "dmtest-thin", "dmsetup remove")

	cfg.ThinUUIDPrefix = "SOMEONE-"
	dmtest.Run(t, "dmsetup", "message", "docker-thinpool", "0", "set_transaction_id 0 3")
	_, err = OpenManual(t.Context(), cfg, "docker-thinpool")
	wantError(t, err, ErrNotEmpty, "transaction ID 3", "records", "lvremove docker/thinpool")

	write(t, device, mib)
	_, err = OpenManual(t.Context(), cfg, "docker-thinpool")
	wantError(t, err, ErrNotEmpty, "2 data blocks in use", "records")

	cfg.Existing = true
	if _, err := OpenManual(t.Context(), cfg, "docker-thinpool"); err != nil {
		t.Errorf("with records: %v", err)
	}
}

func TestPoolThatIsNotLVMsIsUsedAndNeverExtended(t *testing.T) {
	metadata, data := dmtest.Loop(t, 4*mib), dmtest.Loop(t, 32*mib)
	dmtest.Run(t, "dmsetup", "create", "dmtest-by-hand", "--table", "0 65536 thin-pool "+metadata+" "+data+" 128 0")
	t.Cleanup(func() { dmtest.Run(t, "dmsetup", "remove", "--retry", "dmtest-by-hand") })
	cfg, _ := config(t)
	p, err := OpenManual(t.Context(), cfg, "/dev/mapper/dmtest-by-hand")
	if err != nil {
		t.Fatal(err)
	}
	if p.Volume() != "" || p.MetadataDevice() != metadata || p.DataDevice() != data || p.BlockSize() != 64<<10 {
		t.Errorf("volume %q, metadata %s, data %s", p.Volume(), p.MetadataDevice(), p.DataDevice())
	}
	_, err = p.Extend(t.Context())
	wantError(t, err, lvm.ErrPolicyDisabled, "dmtest-by-hand")
}
