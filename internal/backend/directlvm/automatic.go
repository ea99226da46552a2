package directlvm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// The names that Docker's driver gave, so that its manual and its pools hold.
const (
	groupName   = "docker"
	poolName    = "thinpool"
	profileName = "docker-thinpool"
)

var automaticPool = volume{groupName, poolName}

// tagPrefix starts the tag of volume groups and pools that a state made; its
// identity follows.
const tagPrefix = "dmthin="

// OpenAutomatic opens the pool of automatic direct-lvm, and sets it up on the
// disk that s names if that has not been done: dm.directlvm_device.
//
// All that could refuse the disk is looked at before the first write. A set-up
// that was interrupted, at whatever step, goes on here: the volume group
// carries our tag, the disk a physical-volume UUID that was noted before.
func OpenAutomatic(ctx context.Context, cfg Config, s Setup) (*Pool, error) {
	a := &automatic{Config: cfg, setup: s, lvm: cfg.lvm()}
	return a.open(ctx)
}

// automatic is one opening.
type automatic struct {
	Config
	setup Setup
	lvm   *lvm.LVM

	// interrupt, if set, is asked before each step; tests crash there.
	interrupt func(step string) error
}

func (a *automatic) open(ctx context.Context) (*Pool, error) {
	stored, complete, err := a.readSetupConfig()
	if err != nil {
		return nil, err
	}
	if complete {
		err = a.compare(ctx, stored)
	} else {
		err = a.setUp(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := a.ensureProfile(); err != nil {
		return nil, err
	}
	p, err := OpenManual(ctx, a.Config, automaticPool.String())
	if err != nil {
		return nil, err
	}
	p.policy = a.setup.policy()
	return p, nil
}

// compare holds the options against those of the set-up.
func (a *automatic) compare(ctx context.Context, stored setupConfig) error {
	var disks []string
	if a.setup.Device != stored.Device {
		all, err := a.lvm.PhysicalVolumes(ctx)
		if err != nil {
			return err
		}
		for _, pv := range all {
			if pv.VG == groupName && !bool(pv.Missing) {
				disks = append(disks, pv.Device)
			}
		}
	}
	return stored.compare(a.setup.config(), disks)
}

// ensureProfile writes the profile where there is none: the state may have come
// from the managed plugin, which has another place for it. One that is there
// may be the operator's by now.
func (a *automatic) ensureProfile() error {
	if _, err := os.Stat(a.lvm.ProfilePath(profileName)); err == nil {
		return nil
	}
	return a.lvm.WriteProfile(profileName, a.setup.policy())
}

// setUp does what is left to do, which may be nothing but to note that it is
// complete.
func (a *automatic) setUp(ctx context.Context) error {
	if err := lvmpool.CheckTools(); err != nil {
		return fmt.Errorf("set up direct-lvm on %s: %w", a.setup.Device, err)
	}
	vg, err := a.lvm.VolumeGroup(ctx, groupName)
	switch {
	case errors.Is(err, lvm.ErrNotFound):
		err = a.makeGroup(ctx)
	case err == nil:
		err = a.claim(vg)
	}
	if err != nil {
		return err
	}
	if err := a.makePool(ctx); err != nil {
		return err
	}
	return a.step("write setup-config.json", func() error { return a.writeSetupConfig(a.setup.config()) })
}

// step is where a set-up can be interrupted.
func (a *automatic) step(name string, do func() error) error {
	if a.interrupt != nil {
		if err := a.interrupt(name); err != nil {
			return err
		}
	}
	if a.Log != nil {
		a.Log.Infof("direct-lvm set-up: %s", name)
	}
	if err := do(); err != nil {
		return fmt.Errorf("set up direct-lvm on %s: %w", a.setup.Device, err)
	}
	return nil
}

func (a *automatic) run(ctx context.Context, c lvm.Command) error {
	return a.step(c.String(), func() error { return a.lvm.Run(ctx, c) })
}

func (a *automatic) tag() string { return tagPrefix + a.Identity }

// claim refuses a volume group of our name that is not ours.
func (a *automatic) claim(vg lvm.VolumeGroup) error {
	r, _, err := a.readRecord()
	if err != nil {
		return err
	}
	if slices.Contains(vg.Tags, a.tag()) || r.GroupUUID == vg.UUID {
		return nil
	}
	subject := "volume group " + groupName
	for _, tag := range vg.Tags {
		if other, ok := strings.CutPrefix(tag, tagPrefix); ok {
			return refuse(ErrTaken, subject, "use that state directory; a host has one automatic direct-lvm, so for a second use dm.thinpooldev",
				"is the direct-lvm of another state directory (pool ID %s)", other)
		}
	}
	return refuse(ErrTaken, subject,
		"to use the pool in it, set dm.thinpooldev=docker-thinpool in place of dm.directlvm_device; otherwise rename it with vgrename, or remove it with vgremove",
		"exists, and was not made by dmthin")
}

// makeGroup makes the volume group. A first attempt may have ended anywhere
// within.
func (a *automatic) makeGroup(ctx context.Context) error {
	r, known, err := a.readRecord()
	if err != nil {
		return err
	}
	if known && !r.SettingUp {
		return a.explainMissing(ctx, a.lvm, automaticPool, profileName)
	}
	if a.Existing {
		return refuse(ErrMissing, "volume group "+groupName, "remove dm.directlvm_device to go on with the pool that the layers are in, or attach the missing disk",
			"does not exist, but there are records of layers")
	}
	device, err := a.labelled(ctx, r)
	if err != nil {
		return err
	}
	if device == "" {
		if device, err = a.labelDisk(ctx); err != nil {
			return err
		}
	}
	return a.run(ctx, lvm.CreateVG(groupName, a.tag(), device))
}

// labelled returns the disk that an earlier attempt has made a physical
// volume, or "".
func (a *automatic) labelled(ctx context.Context, r record) (string, error) {
	all, err := a.lvm.PhysicalVolumes(ctx)
	if err != nil {
		return "", err
	}
	for _, pv := range all {
		if pv.VG == "" && len(r.Disks) > 0 && pv.UUID == r.Disks[0].UUID {
			return pv.Device, nil
		}
	}
	return "", nil
}

// labelDisk makes the disk a physical volume, if it may.
func (a *automatic) labelDisk(ctx context.Context) (string, error) {
	device := a.setup.Device
	c, err := lvmpool.InspectDisk(ctx, a.lvm, device, a.setup.Force, "dm.directlvm_device_force=true")
	if err != nil {
		return "", err
	}
	if _, err := lvmpool.Divide("disk "+device, lvmpool.ExtentsOf(c.Size), cmp.Or(a.setup.DataPercent, lvmpool.DefaultDataPercent),
		cmp.Or(a.setup.MetadataPercent, lvmpool.DefaultMetadataPercent), 0); err != nil {
		return "", err
	}
	mark := diskMark{UUID: lvm.NewUUID(), Device: device}
	err = a.step("note the disk", func() error {
		return a.writeRecord(record{VolumeGroup: groupName, LogicalVolume: poolName, Disks: []diskMark{mark}, SettingUp: true})
	})
	if err == nil && len(c.Destroys) > 0 {
		if a.Log != nil {
			a.Log.Warnf("disk %s loses %s, as dm.directlvm_device_force says", device, lvmpool.Some(c.Destroys))
		}
		err = a.run(ctx, lvm.WipeSignatures(device))
	}
	if err != nil {
		return "", err
	}
	return device, a.run(ctx, lvm.CreatePV(device, mark.UUID))
}

// makePool makes what is missing in our volume group.
func (a *automatic) makePool(ctx context.Context) error {
	pool, ok, err := a.find(ctx, poolName)
	if err != nil {
		return err
	}
	if !ok || pool.Type != lvm.ThinPool {
		if a.Existing {
			return refuse(ErrMissing, "logical volume "+automaticPool.String(), "restore it, with vgcfgrestore for instance",
				"is gone, or is no thin pool any more, but there are records of layers")
		}
		if err := a.makeVolumes(ctx); err != nil {
			return err
		}
	}
	if err := a.step("write the LVM profile", func() error { return a.lvm.WriteProfile(profileName, a.setup.policy()) }); err != nil {
		return err
	}
	if pool.Profile != profileName {
		if err := a.run(ctx, lvm.SetProfile(groupName, poolName, profileName)); err != nil {
			return err
		}
	}
	if slices.Contains(pool.Tags, a.tag()) {
		return nil
	}
	return a.run(ctx, lvm.TagLV(groupName, poolName, a.tag()))
}

// makeVolumes makes the two volumes, and of them the pool. Nothing has been
// stored in them, so what an earlier attempt left is as good as new.
func (a *automatic) makeVolumes(ctx context.Context) error {
	const metadataName = poolName + "meta"
	for _, v := range []struct {
		name    string
		percent int
	}{
		{poolName, cmp.Or(a.setup.DataPercent, lvmpool.DefaultDataPercent)},
		{metadataName, cmp.Or(a.setup.MetadataPercent, lvmpool.DefaultMetadataPercent)},
	} {
		_, ok, err := a.find(ctx, v.name)
		if err == nil && !ok {
			err = a.run(ctx, lvm.CreateLV(groupName, v.name, fmt.Sprintf("%d%%VG", v.percent)))
		}
		if err != nil {
			return err
		}
	}
	metadata, _, err := a.find(ctx, metadataName)
	if err != nil {
		return err
	}
	return a.run(ctx, lvm.ConvertToPool(groupName, poolName, metadataName, cmp.Or(a.BlockSize, lvmpool.DefaultChunkSize), metadata.VGFree >= metadata.Size))
}

func (a *automatic) find(ctx context.Context, name string) (lvm.LogicalVolume, bool, error) {
	v, err := a.lvm.LogicalVolume(ctx, groupName, name)
	if errors.Is(err, lvm.ErrNotFound) {
		return lvm.LogicalVolume{}, false, nil
	}
	return v, err == nil, err
}
