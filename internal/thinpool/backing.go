package thinpool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
)

// backing is the two block devices below a pool.
type backing struct {
	metadata, data devNumber
	dataSize       int64 // bytes
}

func findBacking(spec Spec) (backing, error) {
	metadata, _, err := blockDevice(spec.MetadataDevice)
	if err != nil {
		return backing{}, fmt.Errorf("metadata device: %w", err)
	}
	data, size, err := blockDevice(spec.DataDevice)
	if err != nil {
		return backing{}, fmt.Errorf("data device: %w", err)
	}
	if metadata == data {
		return backing{}, fmt.Errorf("%s and %s are the same device: data and metadata need one each", spec.MetadataDevice, spec.DataDevice)
	}
	if size < spec.BlockSize {
		return backing{}, fmt.Errorf("data device %s has %d bytes, less than one block of %d", spec.DataDevice, size, spec.BlockSize)
	}
	return backing{metadata, data, size}, nil
}

// blockDevice returns a block device's number and size in bytes.
func blockDevice(path string) (_ devNumber, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return devNumber{}, 0, err
	}
	defer func() { err = also(err, f.Close()) }()
	number, err := numberOf(f)
	if err != nil {
		return devNumber{}, 0, err
	}
	size, err = dm.BlockDeviceSize(f)
	return number, size, err
}

// DataDevice returns the node of the block device that the pool keeps its data
// on. Whoever reads it must do so around the page cache.
func (p *Pool) DataDevice(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	table, err := p.liveTable()
	if err != nil {
		return "", fmt.Errorf("find the data device of thin pool %s: %w", p.id.Name, explain(err))
	}
	link, err := os.Readlink("/sys/dev/block/" + table.data.String())
	if err != nil {
		return "", fmt.Errorf("find the data device of thin pool %s: %w", p.id.Name, err)
	}
	return "/dev/" + filepath.Base(link), nil
}

func numberOf(f *os.File) (devNumber, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return devNumber{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return devNumber{}, fmt.Errorf("%s is not a block device", f.Name())
	}
	return devNumber{unix.Major(st.Rdev), unix.Minor(st.Rdev)}, nil
}
