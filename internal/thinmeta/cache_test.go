package thinmeta

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestABlockIsFoundInItsStretch(t *testing.T) {
	for _, stretch := range []uint64{1, deviceStretch} {
		blocks := make([]byte, (2*maxCached+5)*blockSize) // the last stretch is shorter
		for i := range blocks {
			blocks[i] = byte(i / blockSize * 7)
		}
		c := cache{stretch: stretch}
		for range 10 * maxCached {
			at := rand.Uint64N(2*maxCached + 5)
			got, err := c.block(at), error(nil)
			if got == nil {
				got, err = c.fill(bytes.NewReader(blocks), at, 2*maxCached+5)
			}
			if want := blocks[at*blockSize:][:blockSize]; err != nil || !bytes.Equal(got, want) {
				t.Fatalf("block %d in stretches of %d: %v, or another block", at, stretch, err)
			}
			if kept := uint64(len(c.stretches)) * stretch; kept > maxCached {
				t.Fatalf("%d blocks are kept", kept)
			}
		}
	}
}
