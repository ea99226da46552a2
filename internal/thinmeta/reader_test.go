package thinmeta

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenRefusesWhatIsNoMetadata(t *testing.T) {
	file := func(content []byte) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	alter := func(offset int, v byte, seal bool) string {
		m := goldenPool(t)
		m.blocks[0][offset] ^= v
		if seal {
			m.seal(0, superblockSalt)
		}
		return m.file(t)
	}
	moved := goldenPool(t)
	binary.LittleEndian.PutUint64(moved.blocks[0][blockNumberAt:], 5)
	binary.LittleEndian.PutUint32(moved.blocks[0], checksum(moved.blocks[0], superblockSalt))
	for name, c := range map[string]struct {
		path string
		want error
	}{
		"missing":               {filepath.Join(t.TempDir(), "none"), os.ErrNotExist},
		"empty":                 {file(nil), ErrCorrupt},
		"short":                 {file(make([]byte, 4095)), ErrCorrupt},
		"blank":                 {file(make([]byte, 8192)), ErrMagic},
		"one bit flipped":       {alter(timeAt, 1, false), ErrChecksum},
		"version":               {alter(versionAt, 1, true), ErrVersion},
		"incompatible features": {alter(incompatibleAt, 4, true), ErrVersion},
		"metadata block size":   {alter(metadataBlockSizeAt, 1, true), ErrVersion},
		"another block's":       {moved.file(t), ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(c.path)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if r != nil {
				t.Error("a reader together with an error")
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.path)) {
				t.Errorf("not one line naming the file: %q", err)
			}
		})
	}
}

func TestOpenRefusesDirectories(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("opened a directory")
	}
}

func TestHeldIsThePoolAtItsReservation(t *testing.T) {
	p := pool{1: {0: 10, 1: 11}}
	m := p.metadata(4)
	m.reserve()
	heldRoot := uint64(len(m.blocks) - 1)
	later := m.node(leafFlag, []entry{{2, make([]byte, detailsSize)}}, detailsSize)
	m.superblock(0, map[int]uint64{detailsRootAt: later})
	path := m.file(t)

	ids := func(open func(string) (*Reader, error)) (ids []uint32) {
		devices, err := openFor(t, path, open).Devices(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range devices {
			ids = append(ids, d.ID)
		}
		return ids
	}
	if got := ids(OpenHeld); !cmp.Equal(got, []uint32{1}) {
		t.Errorf("held: devices %v, want the one of the time", got)
	}
	if got := ids(Open); !cmp.Equal(got, []uint32{2}) {
		t.Errorf("current: devices %v, want the later one", got)
	}
	if got := openFor(t, path, Open).Superblock().HeldRoot; got != heldRoot {
		t.Errorf("held root %d, want %d", got, heldRoot)
	}
}

func TestOpenHeldNeedsASnapshot(t *testing.T) {
	if _, err := OpenHeld(goldenPool(t).file(t)); !errors.Is(err, ErrNotHeld) {
		t.Errorf("got %v, want %v", err, ErrNotHeld)
	}
}

func TestOpenHeldRefusesANonsenseRoot(t *testing.T) {
	for name, root := range map[string]uint64{"beyond the device": 1 << 40, "a node": 2} {
		m := pool{1: {0: 10}}.metadata(4)
		m.superblock(0, map[int]uint64{heldRootAt: root})
		if _, err := OpenHeld(m.file(t)); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// commit rewrites the superblock in the file under a reader.
func commit(t *testing.T, m *image, path string, fields map[int]uint64) {
	t.Helper()
	m.superblock(0, fields)
	if err := os.WriteFile(path, m.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestACommitWhileReadingIsNoticed(t *testing.T) {
	for name, read := range map[string]func(*Reader, *image, func()) error{
		"mappings": func(r *Reader, _ *image, during func()) error {
			return r.Mappings(t.Context(), 1, func(Mapping) error { during(); return nil })
		},
		"diff": func(r *Reader, _ *image, during func()) error {
			return r.Diff(t.Context(), 1, 2, func(Change) error { during(); return nil })
		},
		"devices": func(r *Reader, _ *image, during func()) error {
			during()
			_, err := r.Devices(t.Context())
			return err
		},
		"a block in use for data": func(r *Reader, m *image, during func()) error {
			clear(m.blocks[1])
			during()
			return r.Mappings(t.Context(), 1, func(Mapping) error { return nil })
		},
		"a block in use for another tree": func(r *Reader, m *image, during func()) error {
			m.blocks[1] = m.blocks[r.superblock.detailsRoot]
			m.seal(1, nodeSalt)
			during()
			return r.Mappings(t.Context(), 1, func(Mapping) error { return nil })
		},
		"a device gone": func(r *Reader, m *image, during func()) error {
			m.blocks[r.superblock.mappingRoot] = m.blocks[m.node(leafFlag, nil, numberSize)]
			m.seal(r.superblock.mappingRoot, nodeSalt)
			during()
			return r.Mappings(t.Context(), 1, func(Mapping) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := pool{1: {0: 10, 9: 19}, 2: {0: 11}}.metadata(4)
			path := m.file(t)
			r := openFor(t, path, Open)
			next := r.Superblock().TransactionID
			err := read(r, m, func() {
				next++
				commit(t, m, path, map[int]uint64{transactionIDAt: next})
			})
			if !errors.Is(err, ErrChanged) || isDoubtful(err) {
				t.Errorf("got %v, want %v", err, ErrChanged)
			}
		})
	}
}

func TestACommitDoesNotDisturbAHeldReader(t *testing.T) {
	m := pool{1: {0: 10}}.metadata(4)
	m.reserve()
	path := m.file(t)
	r := openFor(t, path, OpenHeld)
	commit(t, m, path, map[int]uint64{transactionIDAt: 7})
	if _, err := r.Devices(t.Context()); err != nil {
		t.Error(err)
	}
	commit(t, m, path, map[int]uint64{heldRootAt: 0})
	if _, err := r.Devices(t.Context()); !errors.Is(err, ErrChanged) {
		t.Errorf("after its release: got %v, want %v", err, ErrChanged)
	}
}

// Each read of a device takes its time, however little is read.
func TestWhatWasReadIsNotReadAgain(t *testing.T) {
	m := pool{1: {0: 10, 9: 19}, 2: {0: 11}}.metadata(4)
	path := m.file(t)
	r := openFor(t, path, Open)
	want := diffOf(t, r, 1, 2)
	for _, block := range m.blocks[1:] {
		clear(block)
	}
	if err := os.WriteFile(path, m.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, diffOf(t, r, 1, 2)); diff != "" {
		t.Errorf("the second time another difference (-first +second):\n%s", diff)
	}
}

func TestUnknownDevice(t *testing.T) {
	r := openFor(t, pool{3: {0: 10}, 9: {0: 10}}.metadata(4).file(t), Open)
	for _, id := range []uint32{0, 4, 10} {
		err := r.Mappings(t.Context(), id, func(Mapping) error { return nil })
		if !errors.Is(err, ErrNoDevice) {
			t.Errorf("device %d: got %v, want %v", id, err, ErrNoDevice)
		}
		err = errors.Join(r.Diff(t.Context(), 3, id, nil), r.Diff(t.Context(), id, 3, nil))
		if !errors.Is(err, ErrNoDevice) {
			t.Errorf("diff with device %d: got %v, want %v", id, err, ErrNoDevice)
		}
	}
}

func TestAnEmptyPoolHasNoDevices(t *testing.T) {
	devices, err := openFor(t, pool{}.metadata(4).file(t), Open).Devices(t.Context())
	if err != nil || len(devices) != 0 {
		t.Errorf("got %v, %v", devices, err)
	}
}

func TestVisitEndsTheWalk(t *testing.T) {
	r := openFor(t, pool{1: {0: 10, 1: 11}, 2: {}}.metadata(4).file(t), Open)
	enough, calls := errors.New("enough"), 0
	err := r.Mappings(t.Context(), 1, func(Mapping) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("mappings: %v after %d calls", err, calls)
	}
	if err := r.Diff(t.Context(), 1, 2, func(Change) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("diff: %v", err)
	}
}

func TestACancelledContextEndsTheWalk(t *testing.T) {
	r := openFor(t, goldenPool(t).file(t), Open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Devices(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("devices: %v", err)
	}
	if err := r.Diff(ctx, 0, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("diff: %v", err)
	}
}
