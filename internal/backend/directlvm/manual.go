package directlvm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// OpenManual opens a pool that the operator made: dm.thinpooldev. name is
// NAME, /dev/mapper/NAME, VG/LV or /dev/VG/LV. A volume that is inactive is
// activated, and that is logged.
//
// It refuses, with *Error, what is not there, what is no pool, what something
// else uses, what can't be written, and without Existing a pool that has been
// used before.
func OpenManual(ctx context.Context, cfg Config, name string) (*Pool, error) {
	dmName, v := parseName(name)
	commands := cfg.lvm()
	p := &Pool{name: dmName, lvm: commands}
	found, err := lookAtPool(dmName, cfg.ThinUUIDPrefix)
	if errors.Is(err, errNoDevice) {
		if err := cfg.activate(ctx, commands, v, dmName); err != nil {
			return nil, err
		}
		found, err = lookAtPool(dmName, cfg.ThinUUIDPrefix)
	}
	owner, ownerErr := cfg.ownerOf(ctx, commands, v)
	if ownerErr != nil {
		return nil, ownerErr
	}
	if err != nil {
		return nil, explainPool(dmName, owner, err)
	}
	p.found, p.volume = found, owner.volume
	if err := check(dmName, found, owner, cfg.Existing); err != nil {
		return nil, err
	}
	if p.volume == (volume{}) {
		return p, nil
	}
	return p, cfg.remember(ctx, commands, p.volume)
}

// parseName returns the device-mapper name, and the volume it would be of.
func parseName(name string) (string, volume) {
	short := strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "mapper/")
	if vg, lv, ok := strings.Cut(short, "/"); ok {
		return lvm.DMName(vg, lv), volume{vg, lv}
	}
	vg, lv, _ := lvm.SplitDMName(short)
	return short, volume{vg, lv}
}

// owner is what LVM knows of a pool.
type owner struct {
	volume volume // empty: it is not LVM's
	thin   []string
}

// ownerOf asks LVM for the volume, which need not exist.
func (c Config) ownerOf(ctx context.Context, commands *lvm.LVM, v volume) (owner, error) {
	if v == (volume{}) || lvm.CheckTools("lvs") != nil {
		return owner{}, nil
	}
	all, err := commands.LogicalVolumes(ctx, v.vg)
	if err != nil {
		return owner{}, err
	}
	var o owner
	for _, lv := range all {
		switch {
		case lv.Name == v.lv:
			o.volume = v
		case lv.Pool == v.lv:
			o.thin = append(o.thin, lv.Name)
		}
	}
	return o, nil
}

// explainPool is for a device that is there, but not as a pool. LVM puts a
// linear device under the pool's name as soon as it has thin volumes in it.
func explainPool(name string, o owner, err error) error {
	subject := "thin pool " + name
	switch {
	case len(o.thin) > 0:
		return lvmUses(subject, o)
	case errors.Is(err, ErrNotPool):
		return refuse(ErrNotPool, "device "+name, "see what it is with dmsetup table "+name+" and lsblk, and give dm.thinpooldev the name of a pool (lvs -S segtype=thin-pool)",
			"is not a thin pool")
	case errors.Is(err, errNoDevice):
		return refuse(ErrMissing, subject, "see dmsetup ls and lvs -a", "is not there, although its volume %s was activated", o.volume)
	}
	return fmt.Errorf("look at %s: %w", subject, err)
}

// LVM gives out device IDs of its own in a pool: the same as ours, sooner or
// later, and one of the two then loses its data (moby #15629).
func lvmUses(subject string, o owner) error {
	return refuse(ErrInUse, subject, "give dmthin a pool of its own: dmthin pool create, or lvcreate --type thin-pool",
		"has logical volumes of LVM's in it: %s", lvmpool.Some(o.thin))
}

// check refuses a pool that may not be used.
func check(name string, p kernelPool, o owner, existing bool) error {
	subject := "thin pool " + name
	repair := "stop what uses it and run dmthin repair"
	if o.volume != (volume{}) {
		repair += ", or lvconvert --repair " + o.volume.String()
	}
	switch {
	case len(o.thin) > 0:
		return lvmUses(subject, o)
	case len(p.strangers) > 0:
		return refuse(ErrInUse, subject, "remove them with dmsetup remove if they may go, or give dmthin a pool of its own",
			"has thin devices that are not dmthin's: %s", lvmpool.Some(p.strangers))
	case p.needsCheck:
		return refuse(ErrUnhealthy, subject, repair, "needs a check of its metadata")
	case p.mode == "ro":
		hint := repair
		if o.volume != (volume{}) {
			hint = "if its metadata is full (lvs -o+metadata_percent), extend it with lvextend --poolmetadatasize +100M " + o.volume.String() + "; otherwise " + repair
		}
		return refuse(ErrUnhealthy, subject, hint, "is read-only")
	case p.mode != "rw" && p.mode != "out_of_data_space":
		return refuse(ErrUnhealthy, subject, "see the kernel log, then "+repair, "has failed (status %q)", p.mode)
	case existing:
		return nil
	case p.dataUsed != 0:
		return usedBefore(subject, o, fmt.Sprintf("has %d data blocks in use", p.dataUsed))
	case p.transactionID != 0:
		return usedBefore(subject, o, fmt.Sprintf("has transaction ID %d", p.transactionID))
	}
	return nil
}

func usedBefore(subject string, o owner, found string) error {
	hint := "restore the records that belong to it, or make a new pool"
	if o.volume != (volume{}) {
		hint += "; if what is in it may go: lvremove " + o.volume.String() + ", and make it again"
	}
	return refuse(ErrNotEmpty, subject, hint, "%s, but this state directory has no records of layers", found)
}
