package lvm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// PhysicalVolume is a disk of LVM's. Sizes are in bytes here and below.
type PhysicalVolume struct {
	Device  string `json:"pv_name"` // "[unknown]" for one that is missing
	UUID    string `json:"pv_uuid"`
	VG      string `json:"vg_name"` // "" for an orphan
	VGUUID  string `json:"vg_uuid"`
	Size    Number `json:"pv_size"`
	Free    Number `json:"pv_free"`
	Missing Flag   `json:"pv_missing"`
}

// VolumeGroup is a set of physical volumes.
type VolumeGroup struct {
	Name       string `json:"vg_name"`
	UUID       string `json:"vg_uuid"`
	Tags       List   `json:"vg_tags"`
	Size       Number `json:"vg_size"`
	Free       Number `json:"vg_free"`
	ExtentSize Number `json:"vg_extent_size"`
	Extents    Number `json:"vg_extent_count"`
	Missing    Number `json:"vg_missing_pv_count"`
}

// LogicalVolume is a volume. What is only a pool's is 0 or empty in others.
type LogicalVolume struct {
	Name   string `json:"lv_name"`
	VG     string `json:"vg_name"`
	UUID   string `json:"lv_uuid"`
	Tags   List   `json:"lv_tags"`
	Type   string `json:"segtype"` // linear, thin-pool, thin …
	Size   Number `json:"lv_size"`
	Active string `json:"lv_active"` // "active", or empty
	Pool   string `json:"pool_lv"`   // of a thin volume
	VGFree Number `json:"vg_free"`
	Extent Number `json:"vg_extent_size"`

	MetadataSize    Number  `json:"lv_metadata_size"`
	ChunkSize       Number  `json:"chunk_size"`
	Profile         string  `json:"lv_profile"`
	Monitored       string  `json:"seg_monitor"` // "monitored" by dmeventd, "not monitored", or empty
	ThinCount       Number  `json:"thin_count"`  // thin volumes that LVM has in the pool
	DataPercent     Percent `json:"data_percent"`
	MetadataPercent Percent `json:"metadata_percent"`
}

// ThinPool is the Type of a thin pool.
const ThinPool = "thin-pool"

func fieldNames[T any]() []string {
	var names []string
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("json"))
	}
	return names
}

// PhysicalVolumes lists those of all volume groups, and orphans.
func (l *LVM) PhysicalVolumes(ctx context.Context) ([]PhysicalVolume, error) {
	return report[PhysicalVolume](ctx, l, "pvs")
}

// VolumeGroup finds a volume group by its name: ErrNotFound, ErrAmbiguous.
func (l *LVM) VolumeGroup(ctx context.Context, name string) (VolumeGroup, error) {
	all, err := report[VolumeGroup](ctx, l, "vgs")
	if err != nil {
		return VolumeGroup{}, err
	}
	all = slices.DeleteFunc(all, func(vg VolumeGroup) bool { return vg.Name != name })
	switch len(all) {
	case 0:
		return VolumeGroup{}, fmt.Errorf("volume group %s: %w", name, ErrNotFound)
	case 1:
		return all[0], nil
	}
	return VolumeGroup{}, fmt.Errorf("volume group %s: %w, with UUIDs %s and %s; rename one with vgrename UUID NEWNAME",
		name, ErrAmbiguous, all[0].UUID, all[1].UUID)
}

// LogicalVolumes lists the volumes of a volume group, the hidden ones of pools
// left out. There are none of a group that doesn't exist.
func (l *LVM) LogicalVolumes(ctx context.Context, vg string) ([]LogicalVolume, error) {
	rows, err := report[LogicalVolume](ctx, l, "lvs", "--select", "vg_name="+vg)
	if err != nil {
		return nil, err
	}
	// A plain volume has a row for each of its segments.
	var volumes []LogicalVolume
	for _, v := range rows {
		if !slices.ContainsFunc(volumes, func(o LogicalVolume) bool { return o.UUID == v.UUID }) {
			volumes = append(volumes, v)
		}
	}
	return volumes, nil
}

// LogicalVolume finds one volume: ErrNotFound, ErrAmbiguous.
func (l *LVM) LogicalVolume(ctx context.Context, vg, name string) (LogicalVolume, error) {
	all, err := l.LogicalVolumes(ctx, vg)
	if err != nil {
		return LogicalVolume{}, err
	}
	all = slices.DeleteFunc(all, func(v LogicalVolume) bool { return v.Name != name })
	switch len(all) {
	case 0:
		return LogicalVolume{}, fmt.Errorf("logical volume %s: %w", FullName(vg, name), ErrNotFound)
	case 1:
		return all[0], nil
	}
	return LogicalVolume{}, fmt.Errorf("logical volume %s: %w; rename one with vgrename UUID NEWNAME", FullName(vg, name), ErrAmbiguous)
}
