package main

import (
	"errors"

	"github.com/dmthin/dmthin/internal/dm"
)

// deferral is how busy devices are dealt with.
type deferral struct{ removal, deletion bool }

// prepareSystem settles what depends on the kernel and on libdevmapper.
func (i *instance) prepareSystem() error {
	if err := dm.SetLog(i.log, i.options.LibDMLogLevel); err != nil {
		return err
	}
	supported, err := dm.DeferredRemoveSupported()
	if err != nil {
		return err
	}
	if i.deferred, err = deferralFor(i.options.DeferredRemoval, i.options.DeferredDeletion, supported); err != nil {
		return err
	}
	i.udevSync = dm.UdevSyncSupported()
	if !i.udevSync && !i.options.OverrideUdevSyncCheck {
		return errors.New("udevd does not answer libdevmapper (is it running, and /run/udev visible here?), so links in /dev/mapper may be late or missing; start it, or set dm.override_udev_sync_check=true")
	}
	if !i.udevSync {
		i.log.Warn("going on without udevd, as dm.override_udev_sync_check says: links in /dev/mapper may be missing")
	}
	return nil
}

// deferralFor takes the two options, nil where not given. Both default to on
// where the kernel can; deferred deletion makes no sense without removal.
func deferralFor(removal, deletion *bool, supported bool) (deferral, error) {
	if removal != nil && *removal && !supported {
		return deferral{}, errors.New("dm.use_deferred_removal=true: the kernel or libdevmapper can't (device-mapper 4.27 and libdevmapper 1.02.89 can); remove the option")
	}
	d := deferral{removal: supported}
	if removal != nil {
		d.removal = *removal
	}
	d.deletion = d.removal
	if deletion != nil {
		d.deletion = *deletion
	}
	if d.deletion && !d.removal {
		return deferral{}, errors.New("dm.use_deferred_deletion=true needs deferred removal, which is off or not supported; set it to false")
	}
	return d, nil
}
