package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/state"
)

// What a Pool is refused for.
var (
	// ErrNoState: the directory is no daemon's.
	ErrNoState = errors.New("no state of a dmthind here")
	// ErrActive: the kernel uses the pool.
	ErrActive = errors.New("the pool is active")
	// ErrNotOurs: the pool's metadata is LVM's to reach.
	ErrNotOurs = errors.New("the pool is not on loop files")
)

// Pool is a pool that no daemon uses, until Close.
type Pool struct {
	records  *state.Store
	metadata string // device or file
	dir      string
	sys      string // /sys, or a stand-in
}

// Open locks the state directory. metadata is the pool's metadata device or
// file; empty takes loop-lvm's.
func Open(dir, metadata string) (*Pool, error) { return open(dir, metadata, "/sys") }

func open(dir, metadata, sys string) (*Pool, error) {
	switch _, err := os.Stat(filepath.Join(dir, "metadata")); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w (%s); another data-root: --state DIR", ErrNoState, dir)
	case err != nil:
		return nil, fmt.Errorf("look for the state of a dmthind: %w", err)
	}
	records, err := state.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Pool{records: records, metadata: metadata, dir: dir, sys: sys}, nil
}

// Close lets daemons in again.
func (p *Pool) Close() error { return p.records.Close() }

// dataFile is loop-lvm's; pools of LVM's have none.
func (p *Pool) dataFile() string { return filepath.Join(p.dir, "devicemapper", "data") }

// locate returns where the metadata of the pool is, and refuses one that is in
// use.
func (p *Pool) locate() (string, error) {
	path := p.metadata
	if path == "" {
		path = filepath.Join(p.dir, "devicemapper", "metadata")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.metadata == "":
		return "", fmt.Errorf("%w: %s", ErrNotOurs, howLVM)
	case err != nil:
		return "", fmt.Errorf("find the pool's metadata: %w", err)
	}
	if err := p.refuseActive(); err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeDevice != 0 {
		return path, refuseUsed(path)
	}
	return path, nil
}

// howLVM is what to do about a pool of LVM's. LVM runs thin_check, with the
// needs_check flag cleared where nothing is wrong, whenever it activates one.
const howLVM = "LVM checks the metadata of its pools when it activates them (lvchange -an VG/POOL; lvchange -ay VG/POOL) and repairs it with lvconvert --repair VG/POOL; " +
	"to look at it here: lvchange -an VG/POOL; lvchange -y -ay VG/POOL_tmeta; and --metadata-device /dev/VG/POOL_tmeta"

// refuseUsed opens a device exclusively: the kernel does too, for an active
// pool.
func refuseUsed(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: %s is in use; stop docker and dmthind, and deactivate the pool", ErrActive, path)
	}
	if err != nil {
		return fmt.Errorf("open the pool's metadata: %w", err)
	}
	return f.Close()
}

// refuseActive looks for device-mapper devices of this pool. They outlive a
// daemon while containers use them.
func (p *Pool) refuseActive() error {
	active, err := p.active(func(uuid string) bool { return strings.HasPrefix(uuid, p.uuidPrefix()) })
	if err != nil || len(active) == 0 {
		return err
	}
	return fmt.Errorf("%w: %d of its devices are, %s for one; stop all containers, then docker and dmthind (systemctl stop docker dmthin), or reboot without them",
		ErrActive, len(active), active[0])
}

// uuidPrefix begins the device-mapper UUIDs of the pool and all its devices.
// Without an identity no device can be the pool's.
func (p *Pool) uuidPrefix() string {
	id, ok, err := p.records.KnownIdentity()
	if err != nil || !ok {
		return "DMTHIN-none-"
	}
	return "DMTHIN-" + id.PoolID + "-"
}

// active returns the names of active device-mapper devices by their UUID.
func (p *Pool) active(is func(uuid string) bool) ([]string, error) {
	uuids, err := filepath.Glob(filepath.Join(p.sys, "block/dm-*/dm/uuid"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range uuids {
		uuid, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("look for active devices: %w", err)
		}
		if !is(strings.TrimSpace(string(uuid))) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(filepath.Dir(file), "name"))
		if err != nil {
			return nil, fmt.Errorf("look for active devices: %w", err)
		}
		names = append(names, strings.TrimSpace(string(name)))
	}
	return names, nil
}

// Remove marks a layer as removed. The next start of the daemon gives its blocks
// back. ErrActive: somebody has it mounted, or may have.
func (p *Pool) Remove(_ context.Context, id string, force bool) error {
	found, err := p.records.Scan()
	if err != nil {
		return err
	}
	r, ok := found.Layers[id]
	if !ok || id == state.BaseName {
		return fmt.Errorf("%w: %s", ErrNoLayer, id)
	}
	for child, other := range found.Layers {
		if other.Parent == id && !force {
			return fmt.Errorf("layer %s: %w: layer %s was made from it", id, ErrParent, child)
		}
	}
	// The device ID is in the UUID; the name may be another's by now.
	prefix := fmt.Sprintf("%s%d-", p.uuidPrefix(), r.DeviceID)
	active, err := p.active(func(uuid string) bool { return strings.HasPrefix(uuid, prefix) })
	if err != nil {
		return err
	}
	if len(active) > 0 {
		return fmt.Errorf("layer %s: its device %s is still in use: %w", id, active[0], ErrActive)
	}
	_, err = p.records.Bury(id, r)
	return err
}

// What Remove fails with besides.
var (
	ErrNoLayer = errors.New("no such layer")
	ErrParent  = errors.New("it is a parent")
)
