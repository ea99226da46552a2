package directlvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// activate makes an inactive volume's device. After a reboot nobody may have
// done it: event-driven activation leaves out volume groups that were
// incomplete for a moment, and some distributions do without it.
func (c Config) activate(ctx context.Context, commands *lvm.LVM, v volume, dmName string) error {
	subject := "thin pool " + dmName
	if v == (volume{}) {
		return refuse(ErrMissing, subject, "make it with dmsetup again, or give dm.thinpooldev the name of a pool that is there (dmsetup ls --target thin-pool)",
			"does not exist, and its name is not one of LVM's")
	}
	if err := lvm.CheckTools("lvchange", "thin_check"); err != nil {
		return &Error{Subject: subject, Kind: ErrMissing, Found: "is not active, and can't be activated", Err: err}
	}
	vg, err := commands.VolumeGroup(ctx, v.vg)
	if errors.Is(err, lvm.ErrNotFound) {
		return c.explainMissing(ctx, commands, v, dmName)
	}
	if err != nil {
		return err
	}
	if vg.Missing > 0 {
		return c.explainPartial(ctx, commands, v, subject)
	}
	lv, err := commands.LogicalVolume(ctx, v.vg, v.lv)
	if errors.Is(err, lvm.ErrNotFound) {
		return refuse(ErrMissing, subject, "see lvs "+v.vg+"; make it with dmthin pool create, or give dm.thinpooldev another name",
			"does not exist: volume group %s has no volume %s", v.vg, v.lv)
	}
	if err != nil {
		return err
	}
	if lv.Type != lvm.ThinPool {
		return refuse(ErrNotPool, "logical volume "+v.String(), "make it one with lvconvert --type thin-pool, or give dm.thinpooldev the name of a pool",
			"is %s, not a thin pool", lv.Type)
	}
	if err := commands.Run(ctx, lvm.Activate(v.vg, v.lv)); err != nil {
		return fmt.Errorf("activate %s: %w", subject, err)
	}
	if c.Log != nil {
		c.Log.Infof("activated logical volume %s, which was inactive", v)
	}
	return nil
}

// explainMissing is for a volume group that isn't there at all.
func (c Config) explainMissing(ctx context.Context, commands *lvm.LVM, v volume, dmName string) error {
	subject := "thin pool " + dmName
	r, known, err := c.readRecord()
	if err != nil {
		return err
	}
	if !known || r.VolumeGroup != v.vg {
		return refuse(ErrMissing, subject, "see dmsetup ls and lvs; make it with dmthin pool create, or give dm.thinpooldev another name",
			"does not exist: there is no device %s and no volume group %s", dmName, v.vg)
	}
	missing, err := r.missing(ctx, commands)
	if err != nil {
		return err
	}
	return refuse(ErrMissing, subject, "attach the missing disk, or see whether its LVM label is damaged: pvs --all",
		"is on volume group %s, which is not there: missing %s", v.vg, lvmpool.Some(missing))
}

// explainPartial is for a volume group some of whose disks are there.
func (c Config) explainPartial(ctx context.Context, commands *lvm.LVM, v volume, subject string) error {
	all, err := commands.PhysicalVolumes(ctx)
	if err != nil {
		return err
	}
	r, _, err := c.readRecord()
	if err != nil {
		return err
	}
	var missing []string
	for _, pv := range all {
		if pv.VG == v.vg && bool(pv.Missing) {
			missing = append(missing, describe(pv.UUID, r.device(pv.UUID)))
		}
	}
	return refuse(ErrMissing, subject, "attach the missing disk and start again",
		"can't be activated: volume group %s misses %s", v.vg, lvmpool.Some(missing))
}
