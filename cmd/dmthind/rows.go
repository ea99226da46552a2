package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// usage is the pool's space in bytes.
type usage struct {
	dataUsed, dataTotal, dataAvailable             int64
	metadataUsed, metadataTotal, metadataAvailable int64
}

// metadataBlock is dm-thin's metadata block size in bytes.
const metadataBlock = 4096

// usage reads the pool's space. What is available is no more than the host
// filesystem that holds the loop files has left.
func (i *instance) usage(ctx context.Context) (usage, error) {
	status, err := i.pool.Status(ctx)
	if err != nil {
		return usage{}, err
	}
	return i.usageOf(status)
}

func (i *instance) usageOf(status thinpool.Status) (usage, error) {
	u := usage{
		dataUsed:      int64(status.DataUsed) * status.BlockSize,
		dataTotal:     int64(status.DataTotal) * status.BlockSize,
		metadataUsed:  int64(status.MetadataUsed) * metadataBlock,
		metadataTotal: int64(status.MetadataTotal) * metadataBlock,
	}
	u.dataAvailable, u.metadataAvailable = u.dataTotal-u.dataUsed, u.metadataTotal-u.metadataUsed
	host := i.storage.growth().host
	if host == nil {
		return u, nil
	}
	free, err := host.HostFree()
	u.dataAvailable, u.metadataAvailable = min(u.dataAvailable, free), min(u.metadataAvailable, free)
	return u, err
}

// Status returns what `docker info` shows: the lines of Docker's own driver, in
// its order and formats, since scripts read them.
func (d *driver) Status(ctx context.Context) ([][2]string, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	sum, err := i.layers.Summary(ctx)
	if err != nil {
		return nil, err
	}
	u, err := i.usageOf(sum.Pool)
	if err != nil {
		return nil, err
	}
	at := i.storage.place()
	rows := [][2]string{
		{"Pool Name", i.pool.Name()},
		{"Pool Blocksize", size(sum.Pool.BlockSize)},
		{"Base Device Size", size(sum.BaseSize)},
		{"Backing Filesystem", string(sum.Filesystem)},
		{"Udev Sync Supported", strconv.FormatBool(i.udevSync)},
		{"Data file", at.dataDevice},
		{"Metadata file", at.metadataDevice},
		{"Data loop file", at.dataFile},
		{"Metadata loop file", at.metadataFile},
		{"Data Space Used", size(u.dataUsed)},
		{"Data Space Total", size(u.dataTotal)},
		{"Data Space Available", size(u.dataAvailable)},
		{"Metadata Space Used", size(u.metadataUsed)},
		{"Metadata Space Total", size(u.metadataTotal)},
		{"Metadata Space Available", size(u.metadataAvailable)},
		{"Thin Pool Minimum Free Space", size(sum.MinFreeBytes)},
		{"Deferred Removal Enabled", strconv.FormatBool(i.deferred.removal)},
		{"Deferred Deletion Enabled", strconv.FormatBool(i.deferred.deletion)},
		{"Deferred Deleted Device Count", strconv.Itoa(sum.WaitingDeletions)},
	}
	silent := sum.Pool.BlockSize == 0 // its figures are not known, which the problems say
	rows = slices.DeleteFunc(rows, func(row [2]string) bool {
		// dockerd warns of loop devices wherever it sees such a line.
		return strings.HasSuffix(row[0], "loop file") && row[1] == "" ||
			silent && (row[0] == "Pool Blocksize" || strings.Contains(row[0], "Space"))
	})
	if library, err := dm.LibraryVersion(); err == nil {
		rows = append(rows, [2]string{"Library Version", library})
	}
	for _, problem := range sum.Problems {
		rows = append(rows, [2]string{"Problem", problem})
	}
	return rows, nil
}

// size formats bytes as Docker's driver did: decimal units, four digits.
func size(bytes int64) string { return units.HumanSize(float64(bytes)) }

// Metadata returns what `docker inspect` shows as GraphDriver data.
func (d *driver) Metadata(ctx context.Context, id string) (map[string]string, error) {
	i, leave, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	info, err := i.layers.Info(ctx, id)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"DeviceId":   strconv.FormatUint(uint64(info.DeviceID), 10),
		"DeviceSize": strconv.FormatInt(info.Size, 10),
		"DeviceName": info.DeviceName,
	}, nil
}
