package looplvm

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
)

// fakeSuperblock has the fields this package reads. testdata/superblock has
// the first block of a pool that a kernel made.
func fakeSuperblock(size poolSize) []byte {
	b := make([]byte, superblockSize)
	binary.LittleEndian.PutUint64(b[offsetMagic:], superblockMagic)
	binary.LittleEndian.PutUint64(b[offsetDataBlocks:], uint64(size.data/65536))
	binary.LittleEndian.PutUint32(b[offsetDataBlockSize:], 65536/sector)
	binary.LittleEndian.PutUint32(b[offsetMetadataBlkSize:], superblockSize/sector)
	binary.LittleEndian.PutUint64(b[offsetMetadataBlocks:], uint64(size.metadata/superblockSize))
	return b
}

// The pool was made by Linux 6.12 on a data device of 100 MiB with blocks of
// 64 KiB and a metadata device of 8 MiB.
func TestSuperblockOfAKernelsPool(t *testing.T) {
	block, err := os.ReadFile("testdata/superblock")
	if err != nil {
		t.Fatal(err)
	}
	found, size, err := readSuperblock(bytes.NewReader(block))
	if err != nil || found != pool {
		t.Fatalf("content = %v, %v; want a pool", found, err)
	}
	if want := (poolSize{data: 100 << 20, metadata: 8 << 20}); size != want {
		t.Errorf("size = %+v, want %+v", size, want)
	}
}

func TestMetadataThatIsNoPools(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  content
	}{
		"no bytes":            {nil, empty},
		"zeros":               {make([]byte, superblockSize), empty},
		"short zeros":         {make([]byte, 100), empty},
		"text":                {bytes.Repeat([]byte("x"), superblockSize), foreign},
		"cut superblock":      {fakeSuperblock(poolSize{65536, 4096})[:2000], foreign},
		"one byte at the end": {append(make([]byte, superblockSize-1), 1), foreign},
	} {
		if got, _, err := readSuperblock(bytes.NewReader(c.bytes)); got != c.want || err != nil {
			t.Errorf("%s: content = %v, %v; want %v", name, got, err, c.want)
		}
	}
}
