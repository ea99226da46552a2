package offline

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/state"
)

// host is a state directory with a pool on loop files that no kernel ever saw:
// a base device, and layers "a" and its child "b".
type host struct {
	dir, sys string
	poolID   string
	uuid     string // of the base device's filesystem
}

const poolXML = `<superblock uuid="" time="2" transaction="3" version="2" data_block_size="128" nr_data_blocks="1000">
<device dev_id="1" mapped_blocks="1000" transaction="0" creation_time="0" snap_time="2">
<range_mapping origin_begin="0" data_begin="0" length="1000" time="0"/></device>
<device dev_id="2" mapped_blocks="10" transaction="1" creation_time="1" snap_time="2">
<range_mapping origin_begin="0" data_begin="0" length="10" time="0"/></device>
<device dev_id="3" mapped_blocks="10" transaction="2" creation_time="2" snap_time="2">
<range_mapping origin_begin="0" data_begin="0" length="10" time="0"/></device>
</superblock>`

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{dir: t.TempDir(), sys: t.TempDir()}
	if err := os.Mkdir(filepath.Join(h.dir, "devicemapper"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.makeData(t)
	h.writePool(t, poolXML)
	h.records(t, func(s *state.Store) {
		id, err := s.Identity()
		if err != nil {
			t.Fatal(err)
		}
		h.poolID = id.PoolID
		const size = 1000 * 64 << 10
		put(t, s, "base", state.Record{DeviceID: 1, Size: size, TransactionID: 1, Initialized: true})
		put(t, s, "a", state.Record{DeviceID: 2, Size: size, TransactionID: 2})
		put(t, s, "b", state.Record{DeviceID: 3, Size: size, TransactionID: 3, Parent: "a"})
		if err := s.WriteIntent(state.Intent{OpenTransactionID: 3, Name: "b", DeviceID: 3, Op: state.OpCreate}); err != nil {
			t.Fatal(err)
		}
	})
	return h
}

func put(t *testing.T, s *state.Store, name string, r state.Record) {
	t.Helper()
	if err := s.Put(name, r); err != nil {
		t.Fatal(err)
	}
}

// records changes the records as a daemon would.
func (h *host) records(t *testing.T, change func(*state.Store)) {
	t.Helper()
	s, err := state.Open(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	change(s)
}

func (h *host) data() string     { return filepath.Join(h.dir, "devicemapper", "data") }
func (h *host) metadata() string { return filepath.Join(h.dir, "devicemapper", "metadata") }

func (h *host) makeData(t *testing.T) {
	t.Helper()
	makeFile(t, h.data(), 1000*64<<10)
	if err := filesystem.Format(t.Context(), h.data(), filesystem.Ext4, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.uuid, err = filesystem.UUID(t.Context(), h.data()); err != nil {
		t.Fatal(err)
	}
}

func makeFile(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}

func (h *host) writePool(t *testing.T, xml string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "xml")
	if err := os.WriteFile(file, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	makeFile(t, h.metadata(), 4<<20)
	if out, err := exec.CommandContext(t.Context(), "thin_restore", "-i", file, "-o", h.metadata()).CombinedOutput(); err != nil {
		t.Fatalf("thin_restore: %v: %s", err, out)
	}
}

// changeBlock changes one block of the metadata.
func (h *host) changeBlock(t *testing.T, number int64, change func(block []byte)) {
	t.Helper()
	f, err := os.OpenFile(h.metadata(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	if _, err := f.ReadAt(block, number*4096); err != nil {
		t.Fatal(err)
	}
	change(block)
	if _, err := f.WriteAt(block, number*4096); err != nil {
		t.Fatal(err)
	}
}

// needsCheck sets the flag that the kernel sets after a failed write.
func (h *host) needsCheck(t *testing.T) {
	t.Helper()
	h.changeBlock(t, 0, func(b []byte) {
		b[4] |= 1
		const superblockSalt = 160774
		sum := ^crc32.Checksum(b[4:], crc32.MakeTable(crc32.Castagnoli)) ^ superblockSalt
		binary.LittleEndian.PutUint32(b, sum)
	})
}

// activate lets the kernel seem to have a device.
func (h *host) activate(t *testing.T, name, uuid string) {
	t.Helper()
	dir := filepath.Join(h.sys, "block/dm-7/dm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"name": name, "uuid": uuid} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *host) open(t *testing.T) *Pool {
	t.Helper()
	p, err := open(h.dir, "", h.sys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}
