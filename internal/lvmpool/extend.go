package lvmpool

import (
	"context"

	"github.com/dmthin/dmthin/internal/lvm"
)

// ExtendRequest is disks for a pool that is there.
type ExtendRequest struct {
	Devices           []string
	VolumeGroup, Pool string
	Size              int64 // bytes by which the pool's data grows at once; 0: as its policy says
	Wipe              bool  // what is on the devices may go
}

// PlanExtend plans to add disks to a pool's volume group. The pool may be in
// use: it goes on meanwhile.
func PlanExtend(ctx context.Context, commands *lvm.LVM, r ExtendRequest) (Plan, error) {
	if err := lvm.CheckTools("vgextend", "lvextend", "wipefs", "thin_check"); err != nil {
		return Plan{}, err
	}
	vg, pool, err := find(ctx, commands, r.VolumeGroup, r.Pool)
	if err != nil {
		return Plan{}, err
	}
	if pool.Type != lvm.ThinPool {
		return Plan{}, refuse(ErrNotPool, "logical volume "+lvm.FullName(r.VolumeGroup, r.Pool), "give the pool's name with --pool: lvs -S segtype=thin-pool",
			"is %s, not a thin pool", pool.Type)
	}
	p := Plan{
		VolumeGroup: r.VolumeGroup, Pool: r.Pool, ChunkSize: int64(pool.ChunkSize),
		DataSize: int64(pool.Size) + r.Size, MetadataSize: int64(pool.MetadataSize), FreeSize: int64(vg.Free) - r.Size,
		lvm: commands,
	}
	for _, device := range r.Devices {
		c, err := InspectDisk(ctx, commands, device, r.Wipe, wipeHint)
		if err != nil {
			return Plan{}, err
		}
		p.Disks = append(p.Disks, c)
		p.FreeSize += max(0, c.Size-headerSize) / int64(vg.ExtentSize) * int64(vg.ExtentSize)
	}
	if p.FreeSize < 0 {
		return Plan{}, refuse(ErrTooSmall, "volume group "+r.VolumeGroup, "give a smaller --size, or another disk",
			"would be %d MiB short of --size", -p.FreeSize>>20)
	}
	p.planExtension(r)
	return p, nil
}

func (p *Plan) planExtension(r ExtendRequest) {
	for _, d := range p.Disks {
		if len(d.Destroys) > 0 {
			p.add("erase "+Some(d.Destroys)+" from "+d.Device, lvm.WipeSignatures(d.Device))
		}
		p.add("make "+d.Device+" a physical volume", lvm.CreatePV(d.Device, ""))
	}
	if len(r.Devices) > 0 {
		p.add("add to the volume group", lvm.ExtendVG(r.VolumeGroup, r.Devices...))
	}
	if r.Size > 0 {
		p.add("extend the pool's data", lvm.ExtendLV(r.VolumeGroup, r.Pool, r.Size))
	}
	p.add("extend the pool where its policy says so", lvm.UsePolicies(r.VolumeGroup, r.Pool))
}
