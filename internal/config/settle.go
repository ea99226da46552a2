package config

import (
	"fmt"
	"strings"
)

// settle checks and completes what depends on more than one option.
func (o *Options) settle() error {
	for _, check := range []func(*Options) error{
		(*Options).settleDeferral, (*Options).checkBaseSize, (*Options).checkPoolKind, (*Options).checkDirectLVM,
	} {
		if err := check(o); err != nil {
			return err
		}
	}
	// On a loop file a discard gives space back to the host. On a disk it is a
	// wait for every removal, with nobody to get the space.
	if !o.BlkDiscardSet {
		o.BlkDiscard = o.ThinPoolDevice == "" && o.DirectLVM.Device == "" && o.DataDevice == ""
	}
	return nil
}

func (o *Options) settleDeferral() error {
	removal := o.DeferredRemoval
	if removal == nil || *removal {
		return nil
	}
	switch deletion := o.DeferredDeletion; {
	case deletion == nil:
		off := false
		o.DeferredDeletion = &off
	case *deletion:
		return fmt.Errorf("%s=true needs %s, which is false: %w; set both the same, or remove both for the default",
			optDeferredDeletion, optDeferredRemoval, ErrContradiction)
	}
	return nil
}

func (o *Options) checkBaseSize() error {
	if !o.BaseSizeSet || o.Filesystem == "" {
		return nil
	}
	if err := CheckFilesystemSize(o.Filesystem, o.BaseSize); err != nil {
		return fmt.Errorf("%s with %s=%s: %w", optBaseSize, optFilesystem, o.Filesystem, err)
	}
	return nil
}

// checkPoolKind lets through one answer to where the pool is.
func (o *Options) checkPoolKind() error {
	var given []string
	for _, kind := range []struct{ option, value string }{
		{optThinPoolDevice, o.ThinPoolDevice}, {optDirectDevice, o.DirectLVM.Device},
		{optDataDevice, o.DataDevice}, {optMetadataDevice, o.MetadataDevice},
	} {
		if kind.value != "" {
			given = append(given, kind.option)
		}
	}
	both := len(given) == 2 && given[0] == optDataDevice
	if len(given) > 1 && !both {
		return fmt.Errorf("%s: %w; keep the one that says where the pool is", strings.Join(given, " and "), ErrContradiction)
	}
	if both && o.DataDevice == o.MetadataDevice {
		return fmt.Errorf("%s and %s are both %s: %w; each needs a device of its own",
			optDataDevice, optMetadataDevice, o.DataDevice, ErrContradiction)
	}
	return nil
}

func (o *Options) checkDirectLVM() error {
	d := o.DirectLVM
	for _, dependent := range []struct {
		option string
		given  bool
	}{
		{optDirectForce, d.Force},
		{optDataPercent, d.DataPercent != 0}, {optMetadataPercent, d.MetadataPercent != 0},
		{optThreshold, d.AutoextendThreshold != 0}, {optExtension, d.AutoextendPercent != 0},
	} {
		if dependent.given && d.Device == "" {
			return fmt.Errorf("%s is for automatic direct-lvm: %w; say on which disk with %s, or remove it",
				dependent.option, ErrContradiction, optDirectDevice)
		}
	}
	if (d.DataPercent == 0) != (d.MetadataPercent == 0) {
		return fmt.Errorf("%s and %s must be given together, or neither: %w", optDataPercent, optMetadataPercent, ErrContradiction)
	}
	if sum := d.DataPercent + d.MetadataPercent; sum > 100 {
		return fmt.Errorf("%s=%d and %s=%d are %d %% of the disk together: %w; 100 %% is the most, and what is left is for growth",
			optDataPercent, d.DataPercent, optMetadataPercent, d.MetadataPercent, sum, ErrContradiction)
	}
	return nil
}
