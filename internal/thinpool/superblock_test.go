package thinpool

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestSuperblockTellsTheBlockSize(t *testing.T) {
	block := make([]byte, metadataBlockSize)
	if size, err := parseSuperblock(block); size != 0 || err != nil {
		t.Errorf("blank: got %d, %v", size, err)
	}
	binary.LittleEndian.PutUint64(block[32:], 27022010)
	binary.LittleEndian.PutUint32(block[336:], 2097152)
	if size, err := parseSuperblock(block); size != 1<<30 || err != nil {
		t.Errorf("got %d, %v", size, err)
	}
}

// The kernel formats a blank device and only that; so the difference between
// blank and foreign has to be told before it is asked.
func TestForeignContentIsNotTakenForBlank(t *testing.T) {
	block := make([]byte, metadataBlockSize)
	block[metadataBlockSize-1] = 1
	if _, err := parseSuperblock(block); err == nil || !strings.Contains(err.Error(), "no thin pool's metadata") {
		t.Errorf("got %v", err)
	}
	if _, err := parseSuperblock(block[:512]); err == nil {
		t.Error("a short block is accepted")
	}
}

func TestDirectReadBufferIsAligned(t *testing.T) {
	for range 100 {
		block := alignedBlock()
		if len(block) != metadataBlockSize || address(block)%metadataBlockSize != 0 {
			t.Fatalf("%d bytes at %#x", len(block), address(block))
		}
	}
}
