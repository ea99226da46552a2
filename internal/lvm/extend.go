package lvm

import (
	"context"
	"errors"
	"fmt"
)

// UsePolicies extends a pool where its policy says so.
func UsePolicies(vg, name string) Command {
	return command(FullName(vg, name), "lvextend", "--use-policies", FullName(vg, name))
}

// Policy returns what holds for a volume: its profile's, else the host's
// lvm.conf. known is false where the volume has a profile that is not to be
// found here; fallback is then returned.
func (l *LVM) Policy(ctx context.Context, v LogicalVolume, fallback Policy) (p Policy, known bool, err error) {
	out, err := l.output(ctx, command(FullName(v.VG, v.Name), "lvmconfig", "--type", "full",
		"activation/thin_pool_autoextend_threshold", "activation/thin_pool_autoextend_percent"))
	if err != nil {
		return Policy{}, false, err
	}
	p = Policy{Threshold: 100, Percent: 20}.merge(out) // LVM's own defaults
	if v.Profile == "" {
		return p, true, nil
	}
	p, known, err = l.readProfile(v.Profile, p)
	if err == nil && !known {
		p = fallback
	}
	return p, known, err
}

// Growth is what an extension added, in bytes.
type Growth struct {
	Data, Metadata int64
	Free           int64 // what the volume group has left
}

// ErrPolicyDisabled says that LVM's settings say that the pool is never extended.
var ErrPolicyDisabled = errors.New("LVM is set up never to extend the pool")

// ExtendByPolicy has LVM extend a pool, data and metadata, where their use is
// above the policy's threshold. dmeventd does the same by the same command, so
// LVM's lock orders the two, and the one that comes second finds nothing to do:
// that is a success with a Growth of 0.
//
// Where the volume group has less left than the policy asks for, the pool gets
// that. fallback is used where the pool's profile is not to be found here.
// ErrPolicyDisabled, ErrNoSpace.
func (l *LVM) ExtendByPolicy(ctx context.Context, vg, name string, fallback Policy) (Growth, error) {
	before, err := l.LogicalVolume(ctx, vg, name)
	if err != nil {
		return Growth{}, err
	}
	policy, known, err := l.Policy(ctx, before, fallback)
	if err != nil {
		return Growth{}, err
	}
	if policy.Disabled() {
		return Growth{}, fmt.Errorf("extend %s: %w (thin_pool_autoextend_threshold=100); extend it with lvextend, or %s",
			FullName(vg, name), ErrPolicyDisabled, "give it a profile with a lower one: lvchange --metadataprofile")
	}
	extend := UsePolicies(vg, name)
	if !known {
		extend.settings = policy.settings()
	}
	err = l.Run(ctx, extend)
	if errors.Is(err, ErrNoSpace) {
		err = l.extendByRest(ctx, before, policy, err)
	}
	growth, growthErr := l.growth(ctx, before)
	if growthErr == nil && (growth.Data > 0 || growth.Metadata > 0) {
		// What was not possible the next call tells.
		return growth, nil
	}
	return growth, errors.Join(err, growthErr)
}

// extendByRest gives a pool the last extents. LVM's policy is all or nothing:
// it leaves them unused when they are fewer than it wants to add, and the pool
// fills up beside them.
func (l *LVM) extendByRest(ctx context.Context, v LogicalVolume, policy Policy, noSpace error) error {
	v, err := l.LogicalVolume(ctx, v.VG, v.Name)
	if err != nil {
		return err
	}
	if v.VGFree < v.Extent {
		return noSpace
	}
	if v.MetadataPercent > Percent(policy.Threshold) {
		// Metadata takes little, but without any the pool turns read-only.
		err = l.Run(ctx, ExtendMetadata(v.VG, v.Name, int64(v.Extent)))
	}
	if v.DataPercent > Percent(policy.Threshold) {
		err = errors.Join(err, l.Run(ctx, ExtendLVByRest(v.VG, v.Name)))
	}
	if err != nil {
		return err
	}
	return noSpace
}

// growth compares a pool with what it was.
func (l *LVM) growth(ctx context.Context, before LogicalVolume) (Growth, error) {
	after, err := l.LogicalVolume(ctx, before.VG, before.Name)
	if err != nil {
		return Growth{}, err
	}
	return Growth{
		Data:     int64(after.Size - before.Size),
		Metadata: int64(after.MetadataSize - before.MetadataSize),
		Free:     int64(after.VGFree),
	}, nil
}
