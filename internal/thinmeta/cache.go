package thinmeta

import "io"

const (
	// Devices are read around the kernel's cache, by so many blocks at once: what
	// takes time is the number of reads, and the nodes of a tree mostly lie near
	// one another, as the kernel takes the first free block for each.
	deviceStretch = 16
	maxCached     = 1024 // blocks
)

// cache keeps blocks by stretches of so many.
type cache struct {
	stretch   uint64
	stretches map[uint64][]byte
}

// block returns a block, or nil where it was not read yet.
func (c *cache) block(at uint64) []byte {
	stretch := c.stretches[at/c.stretch]
	if stretch == nil {
		return nil
	}
	return stretch[at%c.stretch*blockSize:][:blockSize]
}

// fill reads the stretch that holds a block, and returns the block. There are so
// many blocks in all.
func (c *cache) fill(from io.ReaderAt, at, blocks uint64) ([]byte, error) {
	number := at / c.stretch
	first := number * c.stretch
	stretch := aligned(int(min(c.stretch, blocks-first)) * blockSize)
	if _, err := from.ReadAt(stretch, int64(first)*blockSize); err != nil {
		return nil, err
	}
	if c.stretches == nil || uint64(len(c.stretches)) >= maxCached/c.stretch {
		c.stretches = make(map[uint64][]byte)
	}
	c.stretches[number] = stretch
	return c.block(at), nil
}
