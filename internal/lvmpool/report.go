package lvmpool

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dmthin/dmthin/internal/lvm"
)

// Report is a pool as LVM sees it. Sizes are in bytes.
type Report struct {
	VolumeGroup string       `json:"volume_group"`
	Pool        string       `json:"pool"`
	Device      string       `json:"device"` // for dm.thinpooldev
	Active      bool         `json:"active"`
	Disks       []DiskReport `json:"disks"`

	DataSize        int64   `json:"data_size"`
	DataPercent     float64 `json:"data_percent"` // in use; -1 where the pool is inactive
	MetadataSize    int64   `json:"metadata_size"`
	MetadataPercent float64 `json:"metadata_percent"`
	ChunkSize       int64   `json:"chunk_size"`
	FreeSize        int64   `json:"free_size"` // of the volume group

	Profile           string   `json:"profile"`
	ExtendThreshold   int      `json:"extend_threshold"` // percent in use; 100 for never
	ExtendPercent     int      `json:"extend_percent"`
	Monitored         bool     `json:"monitored"` // by LVM's dmeventd; dmthind needs none
	VolumesOfLVM      []string `json:"volumes_of_lvm"`
	Problems          []string `json:"problems"`
	SetUpIsUnfinished bool     `json:"unfinished"`
}

// DiskReport is a disk of the volume group.
type DiskReport struct {
	Device  string `json:"device"`
	UUID    string `json:"uuid"`
	Size    int64  `json:"size"`
	Free    int64  `json:"free"`
	Missing bool   `json:"missing"`
}

// Inspect reports on a pool.
func Inspect(ctx context.Context, commands *lvm.LVM, vgName, poolName string) (Report, error) {
	vg, pool, err := find(ctx, commands, vgName, poolName)
	if err != nil {
		return Report{}, err
	}
	policy, _, err := commands.Policy(ctx, pool, lvm.Policy{Threshold: 100})
	if err != nil {
		return Report{}, err
	}
	r := Report{
		VolumeGroup: vgName, Pool: poolName, Device: "/dev/mapper/" + lvm.DMName(vgName, poolName),
		Active:   pool.Active == "active",
		DataSize: int64(pool.Size), DataPercent: float64(pool.DataPercent),
		MetadataSize: int64(pool.MetadataSize), MetadataPercent: float64(pool.MetadataPercent),
		ChunkSize: int64(pool.ChunkSize), FreeSize: int64(vg.Free),
		Profile: pool.Profile, ExtendThreshold: policy.Threshold, ExtendPercent: policy.Percent,
		Monitored:         pool.Monitored == "monitored",
		SetUpIsUnfinished: slices.Contains(vg.Tags, unfinishedTag),
	}
	if err := r.addParts(ctx, commands); err != nil {
		return Report{}, err
	}
	r.Problems = r.problems(pool.Type, int64(vg.ExtentSize))
	return r, nil
}

// find looks up a pool that an operator has named.
func find(ctx context.Context, commands *lvm.LVM, vgName, poolName string) (vg lvm.VolumeGroup, pool lvm.LogicalVolume, err error) {
	if vg, err = commands.VolumeGroup(ctx, vgName); err == nil {
		pool, err = commands.LogicalVolume(ctx, vgName, poolName)
	}
	if errors.Is(err, lvm.ErrNotFound) {
		err = fmt.Errorf("%w; name another with --vg and --pool (lvs shows them), or make one with dmthin pool create", err)
	}
	return vg, pool, err
}

func (r *Report) addParts(ctx context.Context, commands *lvm.LVM) error {
	disks, err := commands.PhysicalVolumes(ctx)
	if err != nil {
		return err
	}
	for _, pv := range disks {
		if pv.VG == r.VolumeGroup {
			r.Disks = append(r.Disks, DiskReport{pv.Device, pv.UUID, int64(pv.Size), int64(pv.Free), bool(pv.Missing)})
		}
	}
	volumes, err := commands.LogicalVolumes(ctx, r.VolumeGroup)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if v.Pool == r.Pool {
			r.VolumesOfLVM = append(r.VolumesOfLVM, v.Name)
		}
	}
	return nil
}

// problems says what an operator should know of, with the next step.
func (r *Report) problems(kind string, extent int64) []string {
	var all []string
	say := func(bad bool, text string) {
		if bad {
			all = append(all, text)
		}
	}
	for _, d := range r.Disks {
		say(d.Missing, "the disk with physical volume "+d.UUID+" is missing: attach it")
	}
	full := r.lvmName()
	say(kind != lvm.ThinPool, full+" is "+kind+", not a thin pool")
	say(r.SetUpIsUnfinished, "the set-up was interrupted: run dmthin pool create again")
	say(!r.Active, "the pool is not active: dmthind activates it at its start, or lvchange -ay "+full)
	say(len(r.VolumesOfLVM) > 0, "LVM has volumes in the pool, so dmthin refuses it: "+Some(r.VolumesOfLVM))
	say(r.ExtendThreshold >= 100, "the pool is never extended: attach a profile with thin_pool_autoextend_threshold below 100")
	say(r.FreeSize < extent, "the volume group is full, so the pool can't be extended: dmthin pool extend --device DISK")
	return all
}

func (r *Report) lvmName() string { return lvm.FullName(r.VolumeGroup, r.Pool) }
