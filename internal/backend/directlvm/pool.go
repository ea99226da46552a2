package directlvm

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/lvm"
)

// Config is what both kinds of direct-lvm need.
type Config struct {
	StateDir string // holds setup-config.json, direct-lvm.json and, where the host's /etc/lvm can't be seen, LVM's own files
	Identity string // of this state; tags the volume group as ours

	// ThinUUIDPrefix begins the device-mapper UUIDs of our thin devices.
	ThinUUIDPrefix string
	// Existing says that there are records of layers: the pool has been in use,
	// and is never made anew.
	Existing bool
	// BlockSize is of a pool to be set up, in bytes; 0 for 512 KiB.
	BlockSize int64

	Log logrus.FieldLogger
}

func (c Config) lvm() *lvm.LVM {
	return lvm.New(lvm.Config{Dir: filepath.Join(c.StateDir, "lvm"), Log: c.Log})
}

// Pool is an active thin pool that is not ours to remove. Its methods may be
// called concurrently.
type Pool struct {
	name   string
	volume volume // empty for a pool that is not LVM's
	found  kernelPool

	lvm    *lvm.LVM
	policy lvm.Policy // where the profile can't be seen
}

// volume is a logical volume.
type volume struct{ vg, lv string }

func (v volume) String() string { return lvm.FullName(v.vg, v.lv) }

// PoolName is the pool's device-mapper name.
func (p *Pool) PoolName() string { return p.name }

// MetadataDevice is the device with the pool's metadata, as /dev/dm-N, to read
// from. LVM and the pool have it open.
func (p *Pool) MetadataDevice() string { return p.found.metadata }

// DataDevice is the device with the pool's data.
func (p *Pool) DataDevice() string { return p.found.data }

// BlockSize is the pool's, in bytes.
func (p *Pool) BlockSize() int64 { return p.found.blockSize }

// Volume is the pool as LVM names it, VG/LV; "" for a pool that is not LVM's.
func (p *Pool) Volume() string {
	if p.volume == (volume{}) {
		return ""
	}
	return p.volume.String()
}

// Policy is when and by how much Extend extends the pool. A pool that is not
// LVM's is never extended: its policy is a disabled one.
func (p *Pool) Policy(ctx context.Context) (lvm.Policy, error) {
	if p.volume == (volume{}) {
		return lvm.Policy{Threshold: 100}, nil
	}
	v, err := p.lvm.LogicalVolume(ctx, p.volume.vg, p.volume.lv)
	if err != nil {
		return lvm.Policy{}, err
	}
	policy, _, err := p.lvm.Policy(ctx, v, p.policy)
	return policy, err
}

// Extend extends data and metadata where their use is above the policy's
// threshold. Growth of 0 without an error: somebody else, dmeventd for
// instance, has done it already, or there is no need. lvm.ErrNoSpace: the
// volume group is full; lvm.ErrPolicyDisabled: it is not to be extended.
func (p *Pool) Extend(ctx context.Context) (lvm.Growth, error) {
	if p.volume == (volume{}) {
		return lvm.Growth{}, fmt.Errorf("extend thin pool %s: %w: it is not LVM's; reload it with a larger table, as whoever made it does",
			p.name, lvm.ErrPolicyDisabled)
	}
	return p.lvm.ExtendByPolicy(ctx, p.volume.vg, p.volume.lv, p.policy)
}

// Free is how many bytes the volume group has left for Extend.
func (p *Pool) Free(ctx context.Context) (int64, error) {
	if p.volume == (volume{}) {
		return 0, nil
	}
	v, err := p.lvm.LogicalVolume(ctx, p.volume.vg, p.volume.lv)
	return int64(v.VGFree), err
}

// Close lets go of the pool, which stays active.
func (p *Pool) Close() error { return nil }
