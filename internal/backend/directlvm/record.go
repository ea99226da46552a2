package directlvm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dmthin/dmthin/internal/lvm"
)

// record is what direct-lvm.json keeps of the pool: which disks it is on, so
// that one that is gone can be named, and whose set-up is under way.
type record struct {
	VolumeGroup   string `json:"volume_group"`
	LogicalVolume string `json:"logical_volume"`
	// GroupUUID is empty until the volume group is made.
	GroupUUID string     `json:"volume_group_uuid,omitempty"`
	Disks     []diskMark `json:"disks"`
	// SettingUp: the disks were found fit and may be half set up.
	SettingUp bool `json:"setting_up,omitempty"`
}

// diskMark is a physical volume and where it was seen last.
type diskMark struct {
	UUID   string `json:"uuid"`
	Device string `json:"device"`
}

const recordName = "direct-lvm.json"

func (c Config) readRecord() (r record, ok bool, err error) {
	ok, err = readJSON(filepath.Join(c.StateDir, recordName), &r)
	return r, ok, err
}

func (c Config) writeRecord(r record) error {
	return writeJSON(filepath.Join(c.StateDir, recordName), r)
}

// remember notes the disks that the pool's volume group is on now.
func (c Config) remember(ctx context.Context, commands *lvm.LVM, v volume) error {
	all, err := commands.PhysicalVolumes(ctx)
	if err != nil {
		return err
	}
	old, _, err := c.readRecord()
	if err != nil {
		return err
	}
	now := record{VolumeGroup: v.vg, LogicalVolume: v.lv}
	for _, pv := range all {
		if pv.VG != v.vg {
			continue
		}
		now.GroupUUID = pv.VGUUID
		mark := diskMark{pv.UUID, pv.Device}
		if pv.Missing {
			mark.Device = old.device(pv.UUID)
		}
		c.sayMoved(old.device(pv.UUID), mark.Device)
		now.Disks = append(now.Disks, mark)
	}
	if slices.Equal(now.Disks, old.Disks) && now.GroupUUID == old.GroupUUID && !old.SettingUp {
		return nil
	}
	return c.writeRecord(now)
}

func (c Config) sayMoved(from, to string) {
	if from != "" && from != to && c.Log != nil {
		c.Log.Infof("the disk that was %s is now %s", from, to)
	}
}

func (r record) device(uuid string) string {
	for _, d := range r.Disks {
		if d.UUID == uuid {
			return d.Device
		}
	}
	return ""
}

// missing describes the disks that LVM doesn't see.
func (r record) missing(ctx context.Context, commands *lvm.LVM) ([]string, error) {
	all, err := commands.PhysicalVolumes(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, d := range r.Disks {
		seen := slices.ContainsFunc(all, func(pv lvm.PhysicalVolume) bool { return pv.UUID == d.UUID && !bool(pv.Missing) })
		if !seen {
			missing = append(missing, describe(d.UUID, d.Device))
		}
	}
	return missing, nil
}

func describe(uuid, device string) string {
	if device == "" {
		return "physical volume " + uuid
	}
	return fmt.Sprintf("physical volume %s (last seen as %s)", uuid, device)
}

// readJSON reads a file of the state directory; ok is false where there is
// none.
func readJSON(path string, value any) (ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w; restore it from backup, or move it away to have it found out anew", path, err)
	}
	return true, nil
}

// writeJSON replaces a file of the state directory, durably.
func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Close()
	f, err := os.CreateTemp(dir.Name(), ".tmp-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return dir.Sync()
}
