package takeover

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thindata"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thintools"
)

// quickMetadata is how much metadata is checked whole unasked: a take-over is to
// take as long for much data as for little. This much takes a second, and maps
// half a million blocks or more: 32 GB in blocks of 64 KiB, 256 GB in LVM's.
const quickMetadata = 16 << 20

// checkMetadata runs thin_check where the pool is not active: LVM does so
// itself for its own, each time it activates one.
func (s *survey) checkMetadata(ctx context.Context, thorough bool) error {
	if s.pool.name != "" {
		return nil
	}
	check := thintools.CheckDamage
	if used := s.metadata.MetadataUsed; used > quickMetadata && !thorough {
		check = thintools.CheckDevices
		s.note("which blocks each device has was not checked, only the list of devices: the pool's metadata takes %s; --thorough checks all of it, however long that takes", units.BytesSize(float64(used)))
	}
	damage, err := check(ctx, s.pool.metadata)
	if errors.Is(err, thintools.ErrMissing) {
		s.note("the pool's metadata was not checked: %v", err)
		return nil
	}
	for _, line := range damage {
		s.fatal("pool", "thin_check: %s", line)
	}
	return err
}

// examineFilesystems reads the first blocks of each device's filesystem, which
// takes as long for a large one as for a small one.
func (s *survey) examineFilesystems(ctx context.Context, metadata *thinmeta.Reader) (err error) {
	data, err := thindata.Open(s.pool.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if want := int64(s.metadata.DataBlocks) * s.metadata.BlockSize; data.Size() < want {
		s.fatal("pool", "its data on %s has %d bytes, its metadata says %d", s.pool.data, data.Size(), want)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.records.Layers)) {
		r := s.records.Layers[name]
		if _, exists := s.devices[r.DeviceID]; !exists {
			continue // a finding already
		}
		device, err := thindata.OpenVolume(ctx, metadata, data, r.DeviceID)
		if err == nil {
			err = s.examineFilesystem(name, r, device)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.fatal("pool", "layer %s can't be read: %v", short(name), err)
		}
	}
	return nil
}

// examineFilesystem reads how the filesystem of a layer was left. A journal to
// be replayed is a loss where a container was cut off as it wrote. In an image's
// layer, or what lies between it and a container, it is none: those are synced
// before docker knows of them, and one on xfs looks so after it was copied from a
// layer that was mounted, since the kernel leaves the log of a frozen xfs open on
// purpose.
func (s *survey) examineFilesystem(name string, r state.Record, device io.ReaderAt) error {
	super, err := readSuperblock(device)
	if err != nil && !errors.Is(err, filesystem.ErrNoFilesystem) {
		return err
	}
	owner, named := s.stores.layers[name]
	switch {
	case name == state.BaseName && !r.Initialized:
	case name == state.BaseName:
		s.examineBase(super, err)
	case !named && (err != nil || super.Damage || super.Replay):
		s.note("the filesystem of layer %s, which no image or container needs, is not clean", short(name))
	case err != nil:
		s.find(name, "device %d holds no filesystem of ours%s: its content is lost", r.DeviceID, s.namedBy(name))
	case super.Damage:
		s.find(name, "the %s on device %d was found damaged and never repaired%s: copy out what is needed, or check it with fsck", super.Type, r.DeviceID, s.namedBy(name))
	case super.Replay && s.stores.written[name]:
		s.find(name, "the journal of the %s on device %d was not replayed%s: docker was not stopped cleanly, and what was written last may be lost; to have it replayed, start docker, start and stop the container, stop docker", super.Type, r.DeviceID, s.namedBy(name))
	case super.Replay:
		s.note("the journal of layer %s (docker's %s) is replayed when it is next used; nothing is lost by that", short(name), owner)
	}
	return nil
}

func readSuperblock(device io.ReaderAt) (super filesystem.Superblock, err error) {
	b := make([]byte, filesystem.SuperblockSize)
	if _, err := device.ReadAt(b, 0); err != nil {
		return super, err
	}
	super, err = filesystem.ParseSuperblock(b)
	if err != nil || super.Type != filesystem.XFS || super.Damage {
		return super, err
	}
	clean, err := filesystem.XFSLogClean(device)
	super.Replay = !clean
	return super, err
}

// examineBase holds the base device against the record of it.
func (s *survey) examineBase(super filesystem.Superblock, err error) {
	set := s.records.set
	switch {
	case err != nil:
		s.fatal(state.BaseName, "the base device holds no filesystem: %v", err)
	case set.BaseUUID != "" && set.BaseUUID != super.UUID:
		s.fatal(state.BaseName, "its filesystem's UUID is %s, the records say %s: this is another pool, or the device was formatted anew", super.UUID, set.BaseUUID)
	case set.BaseFilesystem != "" && set.BaseFilesystem != string(super.Type):
		s.fatal(state.BaseName, "its filesystem is %s, the records say %s", super.Type, set.BaseFilesystem)
	case super.Damage:
		s.fatal(state.BaseName, "its %s was found damaged, and all layers without a parent would be copies of it", super.Type)
	}
	s.base = super
}
