//go:build dmtest

package directlvm

import (
	"sync"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

//vm:once
func TestPoolIsExtendedAsItsPolicySaysUntilTheGroupIsFull(t *testing.T) {
	smallPool(t, "100")
	cfg, _ := config(t)
	cfg.ThinUUIDPrefix = "DMTEST-"
	p, err := OpenManual(t.Context(), cfg, "docker-thinpool")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Extend(t.Context())
	wantError(t, err, lvm.ErrPolicyDisabled, "docker/thinpool", "lvchange --metadataprofile")
	writeProfile(t, "60")

	extend := func() lvm.Growth {
		t.Helper()
		g, err := p.Extend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		unmonitor(t)
		return g
	}
	if g := extend(); g.Data != 0 || g.Metadata != 0 {
		t.Errorf("an empty pool grew: %+v", g)
	}
	device := thin(t, "DMTEST-1")
	write(t, device, 24*mib)

	// dmeventd may be doing the same at this moment.
	var other sync.WaitGroup
	other.Go(func() { dmtest.Run(t, "lvextend", "--use-policies", "docker/thinpool") })
	extend()
	other.Wait()
	if lv := volumeOf(t, cfg, automaticPool); lv.Size != 40*mib {
		t.Errorf("data has %d MiB, want 40", lv.Size/mib)
	}
	if g := extend(); g.Data != 0 {
		t.Errorf("extended at 60 %%, where the threshold is: %+v", g)
	}

	// LVM would want 16 MiB now, of the 8 that are left.
	write(t, device, 32*mib)
	if g := extend(); g.Data != 8*mib || g.Free != 0 {
		t.Errorf("growth %+v, want the rest", g)
	}
	write(t, device, 40*mib)
	_, err = p.Extend(t.Context())
	wantError(t, err, lvm.ErrNoSpace, "docker/thinpool", "dmthin pool extend --device")

	dmtest.Run(t, "vgextend", "docker", dmtest.Loop(t, 65*mib))
	if g := extend(); g.Data <= 0 {
		t.Errorf("after a disk was added: %+v", g)
	}
}
