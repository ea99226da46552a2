//go:build dmtest

package crash

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// metadataBlock is the unit in which the pool's metadata has checksums.
const metadataBlock = 4096

// tellsOfMetadata is what must be said where a wrong bit is noticed.
var tellsOfMetadata = regexp.MustCompile(`pool's metadata is damaged|thin_check|dmthin repair|needs a check`)

// TestAWrongBitInThePoolsMetadata has the top of each tree be wrong in one bit, the
// superblock excepted: what that says of the pool's size a tool can't know. Whatever
// the daemon makes of it, it says so; and after a repair each layer is there in full,
// or named.
//
//vm:once
//vm:long
func TestAWrongBitInThePoolsMetadata(t *testing.T) {
	expectFaults(t)
	prepared := preparedDisk(t)
	for name, n := range topBlocks(t, prepared) {
		t.Run(name, func(t *testing.T) {
			disk, err := prepared.copyTo("flipped")
			requireNoError(t, err)
			defer disk.discard()
			flip(t, disk, stateSize+n*metadataBlock, 1000)
			onDisk(t, disk, func() { requireRepairable(t) })
		})
	}
}

// topBlocks finds the top of each tree.
func topBlocks(t *testing.T, disk imageFile) map[string]int64 {
	t.Helper()
	number := func(block int64, at int) int64 {
		word := make([]byte, 8)
		_, err := disk.ReadAt(word, stateSize+block*metadataBlock+int64(at))
		requireNoError(t, err)
		return int64(binary.LittleEndian.Uint64(word))
	}
	const valuesAt = 32 // in a node, behind as many keys as there is room for
	mappings := number(0, 320)
	entries, room := int(number(mappings, 16)&0xffffffff), int(number(mappings, 16)>>32)
	return map[string]int64{
		"use of data":           number(0, 80),
		"use of metadata":       number(0, 208),
		"mappings":              mappings,
		"devices":               number(0, 328),
		"mappings of one layer": number(mappings, valuesAt+8*room+8*(entries-1)),
	}
}

func flip(t *testing.T, disk imageFile, at int64, bit int) {
	t.Helper()
	one := make([]byte, 1)
	at += int64(bit / 8)
	_, err := disk.ReadAt(one, at)
	requireNoError(t, err)
	one[0] ^= 1 << (bit % 8)
	_, err = disk.WriteAt(one, at)
	requireNoError(t, err)
}

// requireRepairable starts a daemon on damaged metadata, then repairs them.
func requireRepairable(t *testing.T) {
	t.Helper()
	d, err := startDaemon("")
	requireNoError(t, err)
	defer func() { sweep(t, d) }()
	at := recorderAfter(before).progress()
	wrong := d.init()
	if wrong == nil {
		wrong = errors.New(strings.Join(d.verify(t.Context(), before, at), "\n"))
	}
	t.Logf("at first: %v", wrong)
	if d.dead() || wrong.Error() != "" && !tellsOfMetadata.MatchString(wrong.Error()) {
		t.Errorf("the daemon is dead, or says nothing:\n%s", d.tail())
	}
	t.Logf("cleanup: %v", d.cleanup())
	requireNoError(t, d.end(syscall.SIGTERM))

	tool := filepath.Join(filepath.Dir(os.Getenv("DMTHIND")), "dmthin")
	out, err := exec.Command(tool, "--state", stateDir, "repair", "--yes", "--metadata-device", partPath("metadata")).CombinedOutput()
	t.Logf("repair: %v\n%s", err, out)
	d = started(t)
	for _, line := range d.verify(t.Context(), before, at) {
		if !namesLayerOf(out, line) {
			t.Error(line)
		}
	}
	requireNoError(t, d.stop())
}

// namesLayerOf tells whether what the repair said names the layer that a line of
// verify's is about.
func namesLayerOf(said []byte, line string) bool {
	return slices.ContainsFunc(before, func(o operation) bool {
		return strings.Contains(line, "layer "+o.layer) && regexp.MustCompile(`(?m)^.*\b`+o.layer+`\b.*(older|not in the pool)`).Match(said)
	})
}
