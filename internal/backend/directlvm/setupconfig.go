package directlvm

import (
	"cmp"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/disk"
	"github.com/dmthin/dmthin/internal/lvm"
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

// Docker's numbers for what is not given.
const (
	defaultDataPercent     = 95
	defaultMetadataPercent = 1
	defaultThreshold       = 80
	defaultExtension       = 20
	defaultChunkSize       = 512 << 10
)

func (s Setup) policy() lvm.Policy {
	return lvm.Policy{
		Threshold: cmp.Or(s.AutoextendThreshold, defaultThreshold),
		Percent:   cmp.Or(s.AutoextendPercent, defaultExtension),
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
	if !sameDisk(now.Device, stored.Device, disks) {
		return changed("dm.directlvm_device", stored.Device, now.Device)
	}
	for _, n := range []struct {
		option           string
		stored, now, def int
	}{
		{"dm.thinp_percent", stored.ThinpPercent, now.ThinpPercent, defaultDataPercent},
		{"dm.thinp_metapercent", stored.ThinpMetaPercent, now.ThinpMetaPercent, defaultMetadataPercent},
		{"dm.thinp_autoextend_threshold", stored.AutoExtendThreshold, now.AutoExtendThreshold, defaultThreshold},
		{"dm.thinp_autoextend_percent", stored.AutoExtendPercent, now.AutoExtendPercent, defaultExtension},
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

// sameDisk tells whether a path leads to the disk it led to at the set-up, or
// to one that is in the pool now.
func sameDisk(now, stored string, disks []string) bool {
	if now == stored {
		return true
	}
	number, err := disk.Number(now)
	if err != nil {
		return false
	}
	for _, path := range disks {
		if other, err := disk.Number(path); err == nil && other == number {
			return true
		}
	}
	return false
}
