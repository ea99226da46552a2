package takeover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinmeta"
	"github.com/dmthin/dmthin/internal/thintools"
)

// checkMetadata runs thin_check where the pool is not active: LVM does so
// itself for its own, each time it activates one.
func (s *survey) checkMetadata(ctx context.Context) error {
	if s.pool.name != "" {
		return nil
	}
	damage, err := thintools.Check(ctx, s.pool.metadata)
	if errors.Is(err, thintools.ErrMissing) {
		s.note("the pool's metadata was not checked whole: %v", err)
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
	data, err := openData(s.pool.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.file.Close()) }()
	if want := int64(s.metadata.DataBlocks) * s.metadata.BlockSize; data.size < want {
		s.fatal("pool", "its data on %s has %d bytes, its metadata says %d", s.pool.data, data.size, want)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.records.Layers)) {
		r := s.records.Layers[name]
		if _, exists := s.devices[r.DeviceID]; !exists {
			continue // a finding already
		}
		b, err := data.superblock(ctx, metadata, r.DeviceID, s.metadata.BlockSize)
		if err != nil {
			return fmt.Errorf("read layer %s: %w", name, err)
		}
		s.examineFilesystem(name, r, b)
	}
	return nil
}

func (s *survey) examineFilesystem(name string, r state.Record, b []byte) {
	super, err := filesystem.ParseSuperblock(b)
	switch {
	case name == state.BaseName && !r.Initialized:
		return
	case name == state.BaseName:
		s.examineBase(super, err)
	case err != nil:
		s.find(name, "device %d holds no filesystem of ours%s: its content is lost", r.DeviceID, s.namedBy(name))
	case super.Damage:
		s.find(name, "the %s on device %d was found damaged and never repaired%s: copy out what is needed, or check it with fsck", super.Type, r.DeviceID, s.namedBy(name))
	case super.Replay:
		s.find(name, "the journal of the %s on device %d was not replayed%s: docker was not stopped cleanly, and what was written last may be lost; to have it replayed, start docker, start and stop the container, stop docker", super.Type, r.DeviceID, s.namedBy(name))
	}
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

// superblock reads the beginning of a device, zeros where it has no block.
func (d *dataReader) superblock(ctx context.Context, metadata *thinmeta.Reader, id uint32, blockSize int64) ([]byte, error) {
	b := alignedBuffer(filesystem.SuperblockSize)
	m, ok, err := metadata.Lookup(ctx, id, 0)
	if err != nil || !ok {
		return b, err
	}
	_, err = d.file.ReadAt(b, int64(m.Data)*blockSize)
	return b, err
}

// alignedBuffer suits direct I/O on any device.
func alignedBuffer(size int) []byte {
	const align = 4096
	b := make([]byte, size+align)
	skip := -uintptr(unsafe.Pointer(&b[0])) % align
	return b[skip:][:size:size]
}
