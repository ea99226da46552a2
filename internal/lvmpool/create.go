package lvmpool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dmthin/dmthin/internal/lvm"
)

// CreateRequest is a pool for an operator.
type CreateRequest struct {
	Devices           []string
	VolumeGroup, Pool string
	ChunkSize         int64 // bytes; 0 for 512 KiB
	DataPercent       int   // of the volume group; 0 for 95
	MetadataPercent   int   // of the volume group; 0 for 1
	Size              int64 // of the data, in bytes, in place of DataPercent
	Policy            lvm.Policy
	Wipe              bool // what is on the devices may go
}

// unfinishedTag is on a volume group from its making until its pool is
// complete. Nothing is stored in one that has it.
const unfinishedTag = "dmthin.unfinished"

const wipeHint = "say so: --wipe"

// PlanCreate plans a volume group with a thin pool on these disks. One that an
// earlier run has left unfinished is first removed.
func PlanCreate(ctx context.Context, commands *lvm.LVM, r CreateRequest) (Plan, error) {
	if err := CheckTools(); err != nil {
		return Plan{}, err
	}
	p := Plan{VolumeGroup: r.VolumeGroup, Pool: r.Pool, ChunkSize: cmp.Or(r.ChunkSize, DefaultChunkSize), lvm: commands}
	left, err := planRemoval(ctx, &p, r)
	if err != nil {
		return Plan{}, err
	}
	var extents int64
	for _, device := range r.Devices {
		c, err := candidate(ctx, commands, device, r.Wipe, left)
		if err != nil {
			return Plan{}, err
		}
		p.Disks = append(p.Disks, c)
		extents += ExtentsOf(c.Size)
	}
	l, err := Divide(subjectOf(r.Devices), extents, cmp.Or(r.DataPercent, DefaultDataPercent), cmp.Or(r.MetadataPercent, DefaultMetadataPercent), r.Size)
	if err != nil {
		return Plan{}, err
	}
	p.DataSize, p.MetadataSize, p.SpareSize, p.FreeSize = l.Data, l.Metadata, l.Spare, l.Free
	p.planPool(r)
	return p, nil
}

func subjectOf(devices []string) string {
	if len(devices) == 1 {
		return "disk " + devices[0]
	}
	return "the disks together"
}

// planRemoval plans to take away what an earlier run left unfinished, and
// returns its disks. A finished group of that name is refused.
func planRemoval(ctx context.Context, p *Plan, r CreateRequest) (left []lvm.PhysicalVolume, err error) {
	vg, err := p.lvm.VolumeGroup(ctx, r.VolumeGroup)
	if errors.Is(err, lvm.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !slices.Contains(vg.Tags, unfinishedTag) {
		return nil, refuse(ErrTaken, "volume group "+r.VolumeGroup,
			"choose another name with --vg, or add disks to this one with dmthin pool extend; dmthin pool status shows what is in it", "exists already")
	}
	all, err := p.lvm.PhysicalVolumes(ctx)
	if err != nil {
		return nil, err
	}
	p.add("remove the volume group that an earlier run left unfinished", lvm.RemoveVG(r.VolumeGroup))
	for _, pv := range all {
		if pv.VG == r.VolumeGroup {
			left = append(left, pv)
			p.add("take LVM's label off its disk", lvm.RemovePV(pv.Device))
		}
	}
	return left, nil
}

// candidate is InspectDisk, with a disk of an unfinished group taken for empty.
func candidate(ctx context.Context, commands *lvm.LVM, device string, wipe bool, left []lvm.PhysicalVolume) (Candidate, error) {
	for _, pv := range left {
		if SameDisk(device, pv.Device) {
			return Candidate{Device: device, Size: int64(pv.Size) + headerSize}, nil
		}
	}
	return InspectDisk(ctx, commands, device, wipe, wipeHint)
}

// planPool adds the manual's steps.
func (p *Plan) planPool(r CreateRequest) {
	profile, metadata := lvm.DMName(r.VolumeGroup, r.Pool), r.Pool+"meta"
	for _, d := range p.Disks {
		if len(d.Destroys) > 0 {
			p.add("erase "+Some(d.Destroys)+" from "+d.Device, lvm.WipeSignatures(d.Device))
		}
	}
	for _, d := range p.Disks {
		p.add("make "+d.Device+" a physical volume", lvm.CreatePV(d.Device, ""))
	}
	p.add("make the volume group", lvm.CreateVG(r.VolumeGroup, unfinishedTag, r.Devices...))
	if r.Size != 0 {
		p.add("make the volume for the data", lvm.CreateLVOfSize(r.VolumeGroup, r.Pool, p.DataSize))
	} else {
		p.add("make the volume for the data", lvm.CreateLV(r.VolumeGroup, r.Pool, fmt.Sprintf("%d%%VG", cmp.Or(r.DataPercent, DefaultDataPercent))))
	}
	p.add("make the volume for the metadata",
		lvm.CreateLV(r.VolumeGroup, metadata, fmt.Sprintf("%d%%VG", cmp.Or(r.MetadataPercent, DefaultMetadataPercent))))
	p.add("make the two a thin pool", lvm.ConvertToPool(r.VolumeGroup, r.Pool, metadata, p.ChunkSize, p.SpareSize > 0))
	p.addProfile(profile, r.Policy)
	p.add("attach the profile to the pool", lvm.SetProfile(r.VolumeGroup, r.Pool, profile))
	p.add("mark the volume group as finished", lvm.UntagVG(r.VolumeGroup, unfinishedTag))
}
