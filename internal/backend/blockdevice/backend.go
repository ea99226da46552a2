package blockdevice

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sirupsen/logrus"
)

// Config says what the pool lies on.
type Config struct {
	Dir string // <state>/devicemapper: holds the loop file, and a note of the devices in use; made with mode 0700

	// DataDevice and MetadataDevice are paths of block devices. One of them may
	// be empty: a file of so many bytes takes its place.
	DataDevice, MetadataDevice string
	DataSize, MetadataSize     int64

	// Existing says that there are records of layers, which are in the pool on
	// these devices.
	Existing bool
	Log      logrus.FieldLogger // nil: no log
}

// Backend is the two devices. Its methods may be called concurrently, except
// that nothing may follow Close, and that growing is for one caller at a time.
type Backend struct {
	data, metadata volume
}

// volume is a device of the operator's, or a file on a loop device.
type volume struct {
	path string    // of the device
	loop *loopFile // nil for a device of the operator's
}

// Open makes sure that the devices are the operator's to give: blank, and not
// in use, or those that our pool is on already. Where one is left out it makes
// and attaches the file. Refusals are *Error.
func Open(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.DataDevice == "" && cfg.MetadataDevice == "" {
		return nil, errors.New("neither a data nor a metadata device is given")
	}
	if err := makeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("make the pool's directory: %w", err)
	}
	if err := cfg.checkDevices(ctx); err != nil {
		return nil, err
	}
	b := &Backend{}
	for _, part := range []struct {
		role, device string
		size         int64
		volume       *volume
	}{
		{"data", cfg.DataDevice, cfg.DataSize, &b.data},
		{"metadata", cfg.MetadataDevice, cfg.MetadataSize, &b.metadata},
	} {
		if part.device != "" {
			part.volume.path = part.device
			continue
		}
		f, err := openLoopFile(ctx, part.role, filepath.Join(cfg.Dir, part.role), part.size, cfg.Existing)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		*part.volume = volume{f.device.Path, f}
	}
	if err := cfg.note(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// DataDevice is the data device's path.
func (b *Backend) DataDevice() string { return b.data.path }

// MetadataDevice is the metadata device's path.
func (b *Backend) MetadataDevice() string { return b.metadata.path }

// DataFile is the file behind DataDevice, "" where there is none.
func (b *Backend) DataFile() string { return b.data.file() }

// MetadataFile is the file behind MetadataDevice, "" where there is none.
func (b *Backend) MetadataFile() string { return b.metadata.file() }

// ErrNoFile says that the device is the operator's to grow.
var ErrNoFile = errors.New("it is a block device, not a loop file: grow the device itself")

// GrowData makes the data file at least size bytes. The pool sees it when a
// table with the new length is loaded.
func (b *Backend) GrowData(size int64) error { return b.data.grow(size) }

// GrowMetadata is GrowData for the metadata file.
func (b *Backend) GrowMetadata(size int64) error { return b.metadata.grow(size) }

func (v volume) file() string {
	if v.loop == nil {
		return ""
	}
	return v.loop.file.Name()
}

func (v volume) grow(size int64) error {
	if v.loop == nil {
		return fmt.Errorf("grow %s: %w", v.path, ErrNoFile)
	}
	return v.loop.grow(size)
}

// Close lets go of the loop file. The pool keeps its device alive.
func (b *Backend) Close() error {
	var errs []error
	for _, v := range []volume{b.data, b.metadata} {
		if v.loop != nil {
			errs = append(errs, v.loop.close())
		}
	}
	return errors.Join(errs...)
}
