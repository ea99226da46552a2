package directlvm

import (
	"cmp"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/lvmpool"
)

// Setup is what automatic direct-lvm is asked for. Numbers are 0 where they
// are not given.
type Setup struct {
	Device              string
	Force               bool // what is on the device may go
	DataPercent         int  // of the volume group
	MetadataPercent     int
	AutoextendThreshold int // percent in use
	AutoextendPercent   int // of the pool's size
}

func (s Setup) policy() lvm.Policy {
	return lvm.Policy{
		Threshold: cmp.Or(s.AutoextendThreshold, lvmpool.DefaultThreshold),
		Percent:   cmp.Or(s.AutoextendPercent, lvmpool.DefaultExtension),
	}
}

// setupConfig is setup-config.json, as Docker's driver wrote it: the values as
// they were given, 0 for none. It is written when the set-up is complete.
type setupConfig struct {
	Device              string
	ThinpPercent        int
	ThinpMetaPercent    int
	AutoExtendPercent   int
	AutoExtendThreshold int
}

const setupConfigName = "setup-config.json"

func (s Setup) config() setupConfig {
	return setupConfig{s.Device, s.DataPercent, s.MetadataPercent, s.AutoextendPercent, s.AutoextendThreshold}
}

func (c Config) readSetupConfig() (stored setupConfig, ok bool, err error) {
	ok, err = readJSON(filepath.Join(c.StateDir, setupConfigName), &stored)
	return stored, ok && stored.Device != "", err
}

func (c Config) writeSetupConfig(s setupConfig) error {
	return writeJSON(filepath.Join(c.StateDir, setupConfigName), s)
}

// compare refuses an option that says something else than what the pool was
// set up with. A default spelled out is the same, and so is another path of
// a disk of the pool, of which disks are given.
func (stored setupConfig) compare(now setupConfig, disks []string) error {
	if now.Device != stored.Device && !lvmpool.SameDisk(now.Device, disks...) {
		return changed("dm.directlvm_device", stored.Device, now.Device)
	}
	for _, n := range []struct {
		option           string
		stored, now, def int
	}{
		{"dm.thinp_percent", stored.ThinpPercent, now.ThinpPercent, lvmpool.DefaultDataPercent},
		{"dm.thinp_metapercent", stored.ThinpMetaPercent, now.ThinpMetaPercent, lvmpool.DefaultMetadataPercent},
		{"dm.thinp_autoextend_threshold", stored.AutoExtendThreshold, now.AutoExtendThreshold, lvmpool.DefaultThreshold},
		{"dm.thinp_autoextend_percent", stored.AutoExtendPercent, now.AutoExtendPercent, lvmpool.DefaultExtension},
	} {
		if was, is := cmp.Or(n.stored, n.def), cmp.Or(n.now, n.def); was != is {
			return changed(n.option, was, is)
		}
	}
	return nil
}

func changed(option string, was, is any) error {
	return refuse(ErrChanged, "option "+option, "set it back; the pool itself is changed with LVM: dmthin pool extend, lvextend, lvchange --metadataprofile",
		"can't be changed after the set-up: it was %v and is %v now", was, is)
}
