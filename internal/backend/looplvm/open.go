package looplvm

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/sirupsen/logrus"
)

// Config says where the files are and how large they should be.
type Config struct {
	Dir          string // <state>/devicemapper; made with mode 0700
	DataSize     int64  // bytes the data file has at least, > 0
	MetadataSize int64  // bytes the metadata file has at least, > 0
	// Existing says that there are records of layers. Missing files are then a
	// loss to report, and are never made anew.
	Existing bool
	Log      logrus.FieldLogger // nil: no log
}

// Open makes the files if neither exists and no layers do, grows them to the
// configured sizes, and attaches them to loop devices, or finds the devices
// that an earlier process left attached under a running pool. A file larger
// than configured stays as it is.
//
// Refusals are *FileError, and change nothing on disk. Call Close when the
// pool has the devices open, or when it is gone; see Backend.
func Open(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.DataSize <= 0 || cfg.MetadataSize <= 0 {
		return nil, fmt.Errorf("loop-lvm sizes must be positive: data %d, metadata %d bytes", cfg.DataSize, cfg.MetadataSize)
	}
	data, metadata, err := openFiles(cfg)
	if err != nil {
		return nil, err
	}
	b, err := prepare(ctx, cfg, data, metadata)
	if err != nil {
		data.discard()
		metadata.discard()
		return nil, err
	}
	return b, nil
}

func openFiles(cfg Config) (data, metadata *backingFile, err error) {
	data, err = openFile("data", filepath.Join(cfg.Dir, "data"))
	if err != nil {
		return nil, nil, err
	}
	metadata, err = openFile("metadata", filepath.Join(cfg.Dir, "metadata"))
	if err != nil {
		data.discard()
		return nil, nil, err
	}
	return data, metadata, nil
}

func prepare(ctx context.Context, cfg Config, data, metadata *backingFile) (*Backend, error) {
	if err := checkPresent(cfg.Existing, data, metadata); err != nil {
		return nil, err
	}
	if err := createAbsent(cfg.Dir, data, metadata); err != nil {
		return nil, err
	}
	if err := checkWhole(cfg.Existing, data, metadata); err != nil {
		return nil, err
	}
	if err := fit(cfg.Log, data, cfg.DataSize, "dm.loopdatasize"); err != nil {
		return nil, err
	}
	if err := fit(cfg.Log, metadata, cfg.MetadataSize, "dm.loopmetadatasize"); err != nil {
		return nil, err
	}
	if err := syncDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("sync loop-lvm directory: %w", err)
	}
	return attachBoth(ctx, data, metadata)
}

// checkPresent refuses to make up for a lost file. One file alone is accepted
// only when nothing was ever written to it: then a crash came between the
// making of the two.
func checkPresent(existing bool, data, metadata *backingFile) error {
	for _, pair := range [][2]*backingFile{{data, metadata}, {metadata, data}} {
		lost, other := pair[0], pair[1]
		if lost.file != nil {
			continue
		}
		if existing {
			return lost.errorf(ErrMissing, nil, "is missing, but there are layers in it", "restore it from backup")
		}
		if other.file != nil && !other.blank {
			return lost.errorf(ErrMissing, nil, "is missing, but the "+other.role+" file is there and holds data",
				"restore it from backup, or move "+other.path+" away to start empty")
		}
	}
	return nil
}

func createAbsent(dir string, files ...*backingFile) error {
	for _, b := range files {
		if b.file != nil {
			continue
		}
		if err := makeDir(dir); err != nil {
			return fmt.Errorf("make loop-lvm directory: %w", err)
		}
		if err := b.create(); err != nil {
			return err
		}
	}
	return nil
}

// checkWhole compares the files with the pool that lives in them. It must come
// before they are grown: growing a cut file would turn what is lost into holes
// that read as zeros.
func checkWhole(existing bool, data, metadata *backingFile) error {
	found, need, err := readSuperblock(metadata.file)
	switch {
	case err != nil:
		return metadata.errorf(nil, err, "can't be read", "")
	case found == foreign:
		return metadata.errorf(ErrForeign, nil, "does not hold thin-pool metadata", "restore it from backup or move it away")
	case found == empty && existing:
		return metadata.errorf(ErrTruncated, nil, "is empty, but there are layers in it", "restore it from backup")
	case found == empty && !data.blank:
		return data.errorf(ErrForeign, nil, "holds data, but the metadata file is empty", "move both away to start empty")
	case data.size < need.data:
		return data.errorf(ErrTruncated, nil, tooShort(data.size, need.data), "restore it from backup")
	case metadata.size < need.metadata:
		return metadata.errorf(ErrTruncated, nil, tooShort(metadata.size, need.metadata), "restore it from backup")
	}
	return nil
}

func tooShort(size, need int64) string {
	return fmt.Sprintf("has %d bytes, the pool in it %d: it was cut", size, need)
}

func fit(log logrus.FieldLogger, b *backingFile, size int64, option string) error {
	if b.size > size && log != nil {
		log.Warnf("loop-lvm %s file %s stays at %d bytes: %s=%d is smaller, and the file can't shrink",
			b.role, b.path, b.size, option, size)
	}
	return b.grow(size)
}
