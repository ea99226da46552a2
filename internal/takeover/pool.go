package takeover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/config"
	"github.com/dmthin/dmthin/internal/lvm"
	"github.com/dmthin/dmthin/internal/thinmeta"
)

// PoolKind is what a pool lies on.
type PoolKind string

// The kinds of pools.
const (
	LoopLVM      PoolKind = "loop-lvm"
	AutomaticLVM PoolKind = "automatic direct-lvm"
	ManualLVM    PoolKind = "manual direct-lvm"
	BlockDevices PoolKind = "block devices"
)

// pool is where a pool can be read.
type pool struct {
	kind           PoolKind
	name           string // device-mapper's, of a pool that outlives the daemons
	metadata, data string // devices or files
}

// automaticPool is what both drivers call the pool of automatic direct-lvm.
const automaticPool = "docker-thinpool"

// findPool follows the options to the pool.
func (t *Takeover) findPool(ctx context.Context, from Driver, o config.Options) (pool, error) {
	switch {
	case o.DirectLVM.Device != "":
		return t.findThinPool(ctx, pool{kind: AutomaticLVM, name: automaticPool})
	case o.ThinPoolDevice != "":
		return t.findThinPool(ctx, pool{kind: ManualLVM, name: poolDMName(o.ThinPoolDevice)})
	}
	loops := filepath.Join(from.state(t.root), "devicemapper")
	p := pool{kind: LoopLVM, data: filepath.Join(loops, "data"), metadata: filepath.Join(loops, "metadata")}
	if o.DataDevice != "" || o.MetadataDevice != "" {
		p.kind = BlockDevices
	}
	if o.DataDevice != "" {
		p.data = o.DataDevice
	}
	if o.MetadataDevice != "" {
		p.metadata = o.MetadataDevice
	}
	for _, path := range []string{p.data, p.metadata} {
		if _, err := os.Stat(path); err != nil {
			return pool{}, fmt.Errorf("%w: %w: no storage option says where the pool is, and it is not on loop files; if dockerd has them on its command line (systemctl cat docker), give them here with --storage-opt", ErrNothing, err)
		}
	}
	return p, t.refuseUsedDevices(p)
}

// findThinPool looks for a pool that the kernel keeps, and has LVM activate it
// where a reboot did not.
func (t *Takeover) findThinPool(ctx context.Context, p pool) (pool, error) {
	dir, err := t.deviceNamed(p.name)
	if err == nil && dir == "" {
		if err := activate(ctx, p.name); err != nil {
			return pool{}, err
		}
		dir, err = t.deviceNamed(p.name)
	}
	switch {
	case err != nil:
		return pool{}, err
	case dir == "":
		return pool{}, fmt.Errorf("%w: there is no thin pool %s; see dmsetup ls and lvs", ErrNothing, p.name)
	}
	holders, err := filepath.Glob(filepath.Join(dir, "holders", "*"))
	if err != nil {
		return pool{}, err
	}
	if len(holders) > 0 {
		return pool{}, fmt.Errorf("%w: %d devices in the thin pool %s are active, %s for one; stop all containers and start and stop docker once, or reboot without it", ErrBusy, len(holders), p.name, filepath.Base(holders[0]))
	}
	below, err := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	if err != nil {
		return pool{}, err
	}
	for _, link := range below {
		device := filepath.Join(t.dev, strings.ReplaceAll(filepath.Base(link), "!", "/")) // sysfs' way to have cciss/c0d0
		if metadata, err := thinmeta.Open(device); err == nil {
			p.metadata = device
			if err := metadata.Close(); err != nil {
				return pool{}, err
			}
		} else {
			p.data = device
		}
	}
	if p.metadata == "" || p.data == "" {
		return pool{}, fmt.Errorf("%w: device %s is no thin pool whose metadata can be read; see dmsetup table %s", ErrFound, p.name, p.name)
	}
	return p, nil
}

func activate(ctx context.Context, dmName string) error {
	vg, lv, ok := lvm.SplitDMName(dmName)
	if !ok {
		return fmt.Errorf("%w: there is no thin pool %s, and its name is not one of LVM's; make it with dmsetup again", ErrNothing, dmName)
	}
	if err := lvm.New(lvm.Config{}).Run(ctx, lvm.Activate(vg, lv)); err != nil {
		return fmt.Errorf("activate thin pool %s: %w", dmName, err)
	}
	return nil
}

// deviceNamed finds an active device-mapper device; "" if there is none.
func (t *Takeover) deviceNamed(name string) (dir string, err error) {
	files, err := filepath.Glob(filepath.Join(t.sys, "block/dm-*/dm/name"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(text)) == name {
			return filepath.Dir(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// refuseUsedDevices opens a pool's devices as the kernel does for a pool of its
// own: exclusively.
func (t *Takeover) refuseUsedDevices(p pool) error {
	for _, path := range []string{p.data, p.metadata} {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&os.ModeDevice == 0 {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("%w: %s; stop all containers and start and stop docker once, or reboot without it", ErrBusy, path)
		}
		if err != nil {
			return fmt.Errorf("open the pool's device: %w", err)
		}
		f.Close()
	}
	return nil
}
