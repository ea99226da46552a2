//go:build dmtest

package lvmpool

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/lvm"
)

const (
	spareDisk = "/dev/vdc" // of the test machine, 8 GiB
	group     = "dmthintest"
	mebi      = 1 << 20
)

// A real disk and a loop device; a run that ends in the middle; the next one;
// a third disk.
//
//vm:once
func TestPoolIsMadeAndExtendedOnSeveralDisks(t *testing.T) {
	second, third := dmtest.Loop(t, 512*mebi), dmtest.Loop(t, 256*mebi)
	commands := lvm.New(lvm.Config{})
	t.Cleanup(func() {
		_ = exec.Command("vgremove", "--force", "--force", "--yes", group).Run()
		_ = exec.Command("pvremove", "--force", "--force", "--yes", spareDisk, second, third).Run()
		_ = os.Remove(commands.ProfilePath(group + "-tp"))
	})
	dmtest.Run(t, "mkfs.ext4", "-q", second)
	r := CreateRequest{
		Devices: []string{spareDisk, second}, VolumeGroup: group, Pool: "tp",
		ChunkSize: 64 << 10, Policy: lvm.Policy{Threshold: 70, Percent: 20}, Wipe: true,
	}
	first := plan(t, commands, r)
	cut := errors.New("cut off")
	first.Steps[5].do = func(context.Context) error { return cut }
	if err := first.Apply(t.Context(), func(int, Step) {}); !errors.Is(err, cut) {
		t.Fatal(err)
	}

	p := plan(t, commands, r)
	if !strings.HasPrefix(p.Steps[0].Shell, "vgremove ") {
		t.Errorf("the next run begins with %s", p.Steps[0].Shell)
	}
	told := 0
	if err := p.Apply(t.Context(), func(n int, _ Step) { told = n }); err != nil || told != len(p.Steps) {
		t.Fatalf("%v after step %d of %d", err, told, len(p.Steps))
	}
	checkReport(t, commands, p, 2)

	extend, err := PlanExtend(t.Context(), commands, ExtendRequest{Devices: []string{third}, VolumeGroup: group, Pool: "tp", Size: 64 * mebi})
	if err != nil {
		t.Fatal(err)
	}
	if err := extend.Apply(t.Context(), func(int, Step) {}); err != nil {
		t.Fatal(err)
	}
	checkReport(t, commands, extend, 3)

	_, err = PlanCreate(t.Context(), commands, r)
	if !errors.Is(err, ErrTaken) {
		t.Errorf("a second pool on the same disks: %v", err)
	}
	r.VolumeGroup = "other"
	if _, err = PlanCreate(t.Context(), commands, r); !errors.Is(err, ErrInUse) {
		t.Errorf("another pool on the same disks: %v", err)
	}
}

func plan(t *testing.T, commands *lvm.LVM, r CreateRequest) Plan {
	t.Helper()
	p, err := PlanCreate(t.Context(), commands, r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkReport holds what LVM has against what was planned.
func checkReport(t *testing.T, commands *lvm.LVM, p Plan, disks int) {
	t.Helper()
	r, err := Inspect(t.Context(), commands, group, "tp")
	if err != nil {
		t.Fatal(err)
	}
	if r.DataSize != p.DataSize || r.MetadataSize != p.MetadataSize || r.FreeSize != p.FreeSize || r.ChunkSize != p.ChunkSize {
		t.Errorf("planned %d, %d, %d, %d; is %+v", p.DataSize, p.MetadataSize, p.FreeSize, p.ChunkSize, r)
	}
	if !r.Active || len(r.Disks) != disks || r.ExtendThreshold != 70 || r.ExtendPercent != 20 || len(r.Problems) > 0 || r.DataPercent != 0 {
		t.Errorf("%+v", r)
	}
}
