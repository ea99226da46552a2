//go:build dmtest

package directlvm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

var errCrash = errors.New("power cut")

// Each step is cut off before it begins, once, and the next start goes on.
//
//vm:once
func TestSetUpGoesOnFromWhateverStepItWasCutOffAt(t *testing.T) {
	cfg, _ := config(t)
	disk := dmtest.Loop(t, gib)
	dmtest.Run(t, "mkfs.ext4", "-q", disk)
	setup := Setup{Device: disk, Force: true}
	removeGroup(t, groupName)

	var cut []string
	for range 30 {
		a := &automatic{Config: cfg, setup: setup, lvm: cfg.lvm()}
		a.interrupt = func(step string) error {
			name := strings.Split(step, " --uuid ")[0] // a new one each time
			if slices.Contains(cut, name) {
				return nil
			}
			cut = append(cut, name)
			return errCrash
		}
		p, err := a.open(t.Context())
		if errors.Is(err, errCrash) {
			continue
		}
		if err != nil {
			t.Fatalf("after %q: %v", cut, err)
		}
		checkNewPool(t, cfg, p, setup)
		want := []string{
			"note the disk", "wipefs --all " + disk, "pvcreate", "vgcreate --addtag dmthin=4f1c0a2b docker " + disk,
			"lvcreate --yes --wipesignatures y -n thinpool docker -l 95%VG",
			"lvcreate --yes --wipesignatures y -n thinpoolmeta docker -l 1%VG",
			"lvconvert --yes --zero n -c 512K --thinpool docker/thinpool --poolmetadata docker/thinpoolmeta",
			"write the LVM profile", "lvchange --metadataprofile docker-thinpool docker/thinpool",
			"lvchange --addtag dmthin=4f1c0a2b docker/thinpool", "write setup-config.json",
		}
		if diff := cmp.Diff(want, cut); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		return
	}
	t.Fatalf("never done: %q", cut)
}

func checkNewPool(t *testing.T, cfg Config, p *Pool, setup Setup) {
	t.Helper()
	lv := volumeOf(t, cfg, automaticPool)
	if p.PoolName() != "docker-thinpool" || p.Volume() != "docker/thinpool" || p.BlockSize() != 512<<10 {
		t.Errorf("pool %s, volume %s, block size %d", p.PoolName(), p.Volume(), p.BlockSize())
	}
	// 1 GiB is 255 extents of 4 MiB.
	if lv.Size != 242*4*mib || lv.MetadataSize != 2*4*mib || lv.Profile != "docker-thinpool" {
		t.Errorf("data %d MiB, metadata %d MiB, profile %q", lv.Size/mib, lv.MetadataSize/mib, lv.Profile)
	}
	raw, err := os.ReadFile(filepath.Join(cfg.StateDir, "setup-config.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"Device":%q,"ThinpPercent":0,"ThinpMetaPercent":0,"AutoExtendPercent":0,"AutoExtendThreshold":0}`, setup.Device)
	if string(raw) != want {
		t.Errorf("setup-config.json is %s, want %s", raw, want)
	}
	for _, device := range []string{p.DataDevice(), p.MetadataDevice()} {
		if _, err := os.Stat(device); err != nil {
			t.Error(err)
		}
	}
	policy, err := p.Policy(t.Context())
	if err != nil || policy != (lvm.Policy{Threshold: 80, Percent: 20}) {
		t.Errorf("policy %+v, %v", policy, err)
	}
}
