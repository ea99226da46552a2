package takeover

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damage is something wrong, and what is said of it.
type damage struct {
	do    func(t *testing.T, h *dockerHost)
	names []string
	fatal bool
	words string // of the finding
}

// damages are what can be wrong with a host: each is found by its name.
var damages = map[string]damage{
	"missing record": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.remove(t, "metadata", topImage)
		},
		[]string{topImage, "device-3"}, false, "image layer sha256:bbbb",
	},
	"damaged record": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			write(t, h.home("metadata", layer), "")
		},
		[]string{layer, "device-5"}, false, "container 333333333333",
	},
	"record without a device": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			devices := h.devices()
			delete(devices, 3)
			h.writePool(t, devices)
		},
		[]string{topImage}, false, "not in the pool",
	},
	"device without a record": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			devices := h.devices()
			devices[9] = 3
			h.writePool(t, devices)
		},
		[]string{"device-9"}, false, "in no record",
	},
	"device of another time": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			devices := h.devices()
			devices[3] = 6
			h.writePool(t, devices)
		},
		[]string{topImage}, false, "made in transaction 7",
	},
	"transaction that disagrees": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.intent.OpenTransactionID = 12
			h.writeRecords(t)
		},
		[]string{"pool"}, false, "the pool is at transaction 7, the records at 12",
	},
	"damaged transaction": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			write(t, h.home("metadata", intentName), "{")
		},
		[]string{intentName}, false, "damaged",
	},
	"dirty filesystem": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.changeData(t, 5, func(b []byte) []byte { b[1024+0x60] |= 4; return b })
		},
		[]string{layer}, false, "journal",
	},
	"damaged filesystem": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.changeData(t, 5, func(b []byte) []byte { b[1024+0x3A] |= 2; return b })
		},
		[]string{layer}, false, "found damaged",
	},
	"lost filesystem": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.changeData(t, 3, func(b []byte) []byte { return make([]byte, len(b)) })
		},
		[]string{topImage}, false, "no filesystem",
	},
	"pool that needs a check": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.needsCheck(t)
		},
		[]string{"pool"}, true, "thin_check --clear-needs-check-flag",
	},
	"damaged mappings": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.fill(t, 4096)
			h.damageLastMappings(t)
		},
		[]string{"pool"}, true, "thin_check: ",
	},
	"metadata of no pool": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			makeFile(t, h.home("devicemapper", "metadata"), 4<<20)
		},
		[]string{"pool"}, true, "can't be read",
	},
	"data that was cut": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			if err := os.Truncate(h.home("devicemapper", "data"), dataBlocks*blockSize/2); err != nil {
				t.Fatal(err)
			}
		},
		[]string{"pool"}, true, "its metadata says",
	},
	"missing base": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.remove(t, "metadata", "base")
		},
		[]string{"base", "device-1"}, true, "no driver starts without it",
	},
	"damaged base": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			write(t, h.home("metadata", "base"), "x")
		},
		[]string{"base", "device-1"}, true, "no driver starts without it",
	},
	"another pool's base": {
		func(t *testing.T, h *dockerHost) {
			t.Helper()
			h.uuid = "00000000-0000-0000-0000-000000000000"
			h.writeRecords(t)
		},
		[]string{"base"}, true, "another pool",
	},
}

func (h *dockerHost) remove(t *testing.T, elements ...string) {
	t.Helper()
	if err := os.Remove(h.home(elements...)); err != nil {
		t.Fatal(err)
	}
}

// needsCheck sets the flag that the kernel sets after a failed write.
func (h *dockerHost) needsCheck(t *testing.T) {
	t.Helper()
	path := h.home("devicemapper", "metadata")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[4] |= 1
	const superblockSalt = 160774
	sum := ^crc32.Checksum(content[4:4096], crc32.MakeTable(crc32.Castagnoli)) ^ superblockSalt
	binary.LittleEndian.PutUint32(content, sum)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// damageLastMappings breaks the node that maps the last blocks of the lower
// image: all filesystems begin in others.
func (h *dockerHost) damageLastMappings(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(h.home("devicemapper", "metadata"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const node = 4096
	b := make([]byte, node)
	read := func(block uint64) {
		if _, err := f.ReadAt(b, int64(block)*node); err != nil {
			t.Fatal(err)
		}
	}
	number := func(at uint32) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	// child is the value of an entry: after the header come the keys, then the values.
	child := func(entry uint32) uint64 { return number(32 + 8*(binary.LittleEndian.Uint32(b[20:])+entry)) }
	read(0)
	read(number(320)) // root of the tree of devices: one leaf
	read(child(h.records[lowImage].DeviceID - 1))
	last := child(binary.LittleEndian.Uint32(b[16:]) - 1)
	if _, err := f.WriteAt([]byte("damage"), int64(last)*node+node/2); err != nil {
		t.Fatal(err)
	}
}

// A large pool's mappings are checked when that is asked for.
func TestAThoroughLookFindsDamageInALargePool(t *testing.T) {
	adopt, _, _ := operations(t)
	h := newDockerHost(t)
	h.fill(t, 40<<30/blockSize)
	h.damageLastMappings(t)
	for _, thorough := range []bool{false, true} {
		host := h.host()
		host.Thorough = thorough
		tk, err := open(host, h.folders)
		if err != nil {
			t.Fatal(err)
		}
		p, err := adopt.plan(tk, nil)
		_ = tk.Close()
		if found := errors.Is(err, ErrFound); found != thorough {
			t.Errorf("thorough %t: %v", thorough, err)
		}
		if noted := strings.Contains(strings.Join(p.Notes, "\n"), "--thorough"); noted == thorough {
			t.Errorf("thorough %t: notes %q", thorough, p.Notes)
		}
	}
}

func TestDamageIsNamedAndNothingChangesUntilItIsGivenUp(t *testing.T) {
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			h := newDockerHost(t)
			d.do(t, h)
			h.requireNamed(t, d)
		})
	}
}

// requireNamed finds that adopt says what is wrong and changes nothing, until
// that is given up, where it can be.
func (h *dockerHost) requireNamed(t *testing.T, d damage) {
	t.Helper()
	adopt, undo, _ := operations(t)
	before := h.files(t)
	p, err := h.try(t, adopt, nil, nil)
	if !errors.Is(err, ErrFound) {
		t.Fatalf("adopt: %v", err)
	}
	found := slices.Compact(findingNames(p))
	for _, want := range d.names {
		if !slices.Contains(found, want) {
			t.Errorf("%q is not among the findings %q", want, found)
		}
		if !strings.Contains(err.Error(), want) && !d.fatal {
			t.Errorf("the error doesn't name %q: %v", want, err)
		}
	}
	if len(found) != len(d.names) {
		t.Errorf("findings %+v", p.Findings)
	}
	if text := p.Findings[slices.Index(found, d.names[0])].Message; !strings.Contains(text, d.words) {
		t.Errorf("finding %q doesn't say %q", text, d.words)
	}
	requireSame(t, "refused", before, h.files(t))
	_, err = h.try(t, adopt, d.names[:1], nil)
	if len(d.names) > 1 && !errors.Is(err, ErrFound) {
		t.Errorf("adopt with one of two given up: %v", err)
	}
	if _, err = h.try(t, adopt, d.names, nil); d.fatal != errors.Is(err, ErrFound) && len(d.names) > 1 {
		t.Fatalf("adopt with all given up: %v", err)
	}
	if d.fatal {
		requireSame(t, "refused", before, h.files(t))
		return
	}
	h.do(t, undo) // what was given up is so until the end
	requireSame(t, "adopted and undone", before, h.files(t))
}

// An image's layer is synced before docker knows of it: a journal to replay
// there is no loss.
func TestAnImagesJournalIsNoted(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	h.changeData(t, 3, func(b []byte) []byte { b[1024+0x60] |= 4; return b })
	p := h.do(t, adopt)
	if notes := strings.Join(p.Notes, "\n"); len(p.Findings) > 0 || !strings.Contains(notes, "journal of layer "+short(topImage)) {
		t.Errorf("findings %+v, notes %s", p.Findings, notes)
	}
}

// Docker doesn't sync its layer store: this is what a power cut leaves of a
// container that was just made, and what docker itself passes over.
func TestAContainerThatNamesNoLayerIsNoted(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	write(t, filepath.Join(h.root, "image/devicemapper/layerdb/mounts/5555/mount-id"), "")
	p := h.do(t, adopt)
	if notes := strings.Join(p.Notes, "\n"); len(p.Findings) > 0 || !strings.Contains(notes, "container 5555 names no layer") {
		t.Errorf("findings %+v, notes %s", p.Findings, notes)
	}
}

func TestAGivenUpRecordGoesAside(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	write(t, h.home("metadata", layer), "torn")
	h.do(t, adopt, layer, "device-5")
	if exists(filepath.Join(h.root, "dmthin/metadata", layer)) {
		t.Error("the record is still among the others")
	}
	aside := filepath.Join(journalDir(h.root), "aside/metadata", layer)
	if got, err := os.ReadFile(aside); err != nil || string(got) != "torn" {
		t.Errorf("aside: %q, %v", got, err)
	}
	if err := h.begin(t).Commit(); err != nil {
		t.Fatal(err)
	}
	h.requireGivenUp(t, "torn")
}

// A release removes its backups at once.
func TestARecordGivenUpForAReleaseIsKept(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, release := operations(t)
	h.do(t, adopt)
	tk := h.begin(t)
	if err := errors.Join(tk.Commit(), tk.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.root, "dmthin/metadata", layer), "torn")
	h.do(t, release, layer, "device-5")
	if exists(journalDir(h.root)) {
		t.Error("the backups are still there")
	}
	h.requireGivenUp(t, "torn")
}

func (h *dockerHost) requireGivenUp(t *testing.T, want string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.root, "dmthin-given-up-*", layer))
	if err != nil || len(found) != 1 {
		t.Fatalf("given up: %v, %v", found, err)
	}
	if got, err := os.ReadFile(found[0]); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v", found[0], got, err)
	}
}

func TestOnlyFindingsCanBeGivenUp(t *testing.T) {
	h := newDockerHost(t)
	adopt, _, _ := operations(t)
	if _, err := h.try(t, adopt, []string{"device-77"}, nil); !errors.Is(err, ErrFound) || !strings.Contains(err.Error(), "device-77") {
		t.Errorf("adopt --accept-loss of nothing: %v", err)
	}
}
