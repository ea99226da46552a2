package takeover

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dmthin/dmthin/internal/filesystem"
)

// formatted is the beginning of a filesystem; making one takes long.
func formatted() (content []byte, uuid string, err error) {
	content, err = format()
	if err != nil {
		return nil, "", err
	}
	super, err := filesystem.ParseSuperblock(content)
	return content, super.UUID, err
}

var format = sync.OnceValues(func() ([]byte, error) {
	f, err := os.CreateTemp("", "dmthin-takeover-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	if err := f.Truncate(16 << 20); err != nil {
		return nil, err
	}
	if err := filesystem.Format(context.Background(), f.Name(), filesystem.Ext4, nil); err != nil {
		return nil, err
	}
	content := make([]byte, blockSize)
	_, err = f.ReadAt(content, 0)
	return content, err
})

// writeData gives each device a block that begins with a filesystem.
func (h *dockerHost) writeData(t *testing.T) {
	t.Helper()
	content, uuid, err := formatted()
	if err != nil {
		t.Fatal(err)
	}
	h.uuid = uuid
	makeFile(t, h.home("devicemapper", "data"), dataBlocks*blockSize)
	for block := range dataBlocks {
		h.changeData(t, block, func([]byte) []byte { return content })
	}
}

// changeData changes a block of the pool. Device N's is block N.
func (h *dockerHost) changeData(t *testing.T, block int, change func([]byte) []byte) {
	t.Helper()
	f, err := os.OpenFile(h.home("devicemapper", "data"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, blockSize)
	if _, err := f.ReadAt(b, int64(block)*blockSize); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(change(b), int64(block)*blockSize); err != nil {
		t.Fatal(err)
	}
}

func makeFile(t *testing.T, path string, size int64) {
	t.Helper()
	write(t, path, "")
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// writeMetadata makes the pool of the records.
func (h *dockerHost) writeMetadata(t *testing.T) { h.writePool(t, h.devices()) }

// devices are what the pool holds: device ID to the transaction it was made in.
func (h *dockerHost) devices() map[uint32]uint64 {
	devices := map[uint32]uint64{}
	for _, r := range h.records {
		devices[r.DeviceID] = r.TransactionID - 1
	}
	return devices
}

func (h *dockerHost) writePool(t *testing.T, devices map[uint32]uint64) {
	t.Helper()
	h.restorePool(t, h.poolXML(devices, dataBlocks))
}

// poolXML is what thin_dump says of a pool in which each device has one block.
func (h *dockerHost) poolXML(devices map[uint32]uint64, blocks int) string {
	var xml strings.Builder
	fmt.Fprintf(&xml, "<superblock uuid=\"\" time=\"9\" transaction=\"%d\" flags=\"0\" version=\"2\" data_block_size=\"128\" nr_data_blocks=\"%d\">\n", h.tid, blocks)
	for _, id := range slices.Sorted(maps.Keys(devices)) {
		fmt.Fprintf(&xml, "<device dev_id=\"%d\" mapped_blocks=\"1\" transaction=\"%d\" creation_time=\"0\" snap_time=\"0\">\n"+
			"<single_mapping origin_block=\"0\" data_block=\"%d\" time=\"0\"/>\n</device>\n", id, devices[id], id)
	}
	return xml.String() + "</superblock>\n"
}

func (h *dockerHost) restorePool(t *testing.T, xml string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "xml")
	write(t, file, xml)
	metadata := h.home("devicemapper", "metadata")
	makeFile(t, metadata, metadataSize)
	if out, err := exec.CommandContext(t.Context(), "thin_restore", "-i", file, "-o", metadata).CombinedOutput(); err != nil {
		t.Fatalf("thin_restore: %v: %s", err, out)
	}
}
