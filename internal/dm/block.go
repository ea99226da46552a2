package dm

import (
	"fmt"
	"os"

	"github.com/docker/docker/pkg/devicemapper"
)

// BlockDeviceSize returns the size of an open block device in bytes.
func BlockDeviceSize(f *os.File) (int64, error) {
	size, err := devicemapper.GetBlockDeviceSize(f)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", f.Name(), err)
	}
	return int64(size), nil
}
