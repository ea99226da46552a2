package thinpool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxMetadataBlocks is what dm-thin uses of a metadata device, in blocks of
// 4096 bytes: some 15.88 GiB. It leaves the rest alone.
const maxMetadataBlocks = 255 * (1<<14 - 64)

const metadataBlockSectors = metadataBlockSize / sectorSize

// Grow has the pool use all of its two devices, if they have become larger than
// it is, and reports whether it grew. Writes that wait for space go on. Call it
// after a device was enlarged, by whomever; where there is nothing to gain it
// changes nothing.
//
// An adopted pool is grown by whoever made it, and this does nothing.
func (p *Pool) Grow(ctx context.Context) (grown bool, err error) {
	if p.adopted {
		return false, nil
	}
	if grown, err = p.grow(ctx); err != nil {
		return false, fmt.Errorf("grow thin pool %s: %w", p.id.Name, explain(err))
	}
	return grown, nil
}

func (p *Pool) grow(ctx context.Context) (bool, error) {
	before, err := p.Status(ctx)
	if err != nil {
		return false, err
	}
	size, err := p.deviceSizes()
	if err != nil {
		return false, err
	}
	if before.Mode == ModeFailed {
		return false, before.Check()
	}
	if size.fits(before) {
		return false, nil
	}
	if before.NeedsCheck { // the kernel wouldn't, and says so in its log only
		return false, before.Check()
	}
	err = p.replaceTable(ctx, func(length *uint64, _ *poolTable) bool {
		*length = max(*length, size.dataSectors)
		return true
	})
	if err != nil {
		return false, err
	}
	after, err := p.Status(context.WithoutCancel(ctx))
	if err != nil {
		return false, err
	}
	if !size.fits(after) {
		return false, fmt.Errorf("the kernel made it %d data and %d metadata blocks, not %d and %d: see the kernel log",
			after.DataTotal, after.MetadataTotal, size.dataBlocks, size.metadataBlocks)
	}
	p.log.Infof("thin pool %s has grown from %d to %d data blocks and from %d to %d metadata blocks",
		p.id.Name, before.DataTotal, after.DataTotal, before.MetadataTotal, after.MetadataTotal)
	return true, nil
}

// deviceSizes is what the devices below a pool offer.
type deviceSizes struct {
	dataSectors                uint64
	dataBlocks, metadataBlocks uint64 // whole ones
}

// fits reports whether a pool uses everything.
func (d deviceSizes) fits(s Status) bool {
	return s.DataTotal >= d.dataBlocks && s.MetadataTotal >= d.metadataBlocks
}

func (p *Pool) deviceSizes() (deviceSizes, error) {
	table, err := p.liveTable()
	if err != nil {
		return deviceSizes{}, err
	}
	data, err := sectorsOf(table.data)
	if err != nil {
		return deviceSizes{}, fmt.Errorf("size of the data device: %w", err)
	}
	metadata, err := sectorsOf(table.metadata)
	if err != nil {
		return deviceSizes{}, fmt.Errorf("size of the metadata device: %w", err)
	}
	return deviceSizes{
		dataSectors:    data,
		dataBlocks:     data / table.blockSectors,
		metadataBlocks: min(metadata/metadataBlockSectors, maxMetadataBlocks),
	}, nil
}

// sectorsOf reads a block device's size from sysfs, which needs no node in /dev
// and no open: that would make udevd look at the device.
func sectorsOf(n devNumber) (uint64, error) {
	text, err := os.ReadFile(filepath.Join("/sys/dev/block", n.String(), "size"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}
