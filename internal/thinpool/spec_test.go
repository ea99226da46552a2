package thinpool

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/dm"
)

func TestSpecBecomesTheKernelsTable(t *testing.T) {
	spec := Spec{BlockSize: 64 << 10, LowWaterBlocks: 32768}
	got := spec.table(devNumber{7, 1}, devNumber{7, 0}, 100<<20)
	want := []dm.Target{{Length: 204800, Type: "thin-pool", Params: "7:1 7:0 128 32768 1 skip_block_zeroing"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got)\n%s", diff)
	}
	spec.ZeroBlocks, spec.ErrorIfNoSpace, spec.NoDiscardPassdown = true, true, true
	got = spec.table(devNumber{7, 1}, devNumber{7, 0}, 100<<20)
	want[0].Params = "7:1 7:0 128 32768 2 no_discard_passdown error_if_no_space"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all settings (-want +got)\n%s", diff)
	}
}

func TestBadSpecIsRefused(t *testing.T) {
	good := Spec{Name: "docker-8:1-7-pool", UUID: "DMTHIN-1-pool", BlockSize: 64 << 10}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Spec){
		"no name":            func(s *Spec) { s.Name = "" },
		"name with slash":    func(s *Spec) { s.Name = "a/b" },
		"name with space":    func(s *Spec) { s.Name = "a b" },
		"long name":          func(s *Spec) { s.Name = strings.Repeat("x", 128) },
		"no UUID":            func(s *Spec) { s.UUID = "" },
		"UUID is the suffix": func(s *Spec) { s.UUID = "pool" },
		"UUID without it":    func(s *Spec) { s.UUID = "DMTHIN-1" },
		"block too small":    func(s *Spec) { s.BlockSize = 32 << 10 },
		"block too large":    func(s *Spec) { s.BlockSize = 2 << 30 },
		"block no multiple":  func(s *Spec) { s.BlockSize = 100 << 10 },
	} {
		spec := good
		change(&spec)
		if spec.validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOnlyUUIDsOfThePoolAreItsOwn(t *testing.T) {
	spec := Spec{UUID: "DMTHIN-1-pool"}
	pool := newPool(spec.id(), spec.prefix(), devNumber{}, nil)
	for uuid, want := range map[string]bool{
		"DMTHIN-1-5-layer": true,
		"DMTHIN-1-pool":    false, // the pool itself
		"DMTHIN-12-5-x":    false,
		"LVM-DMTHIN-1-5":   false,
		"":                 false,
	} {
		if got := pool.owns(uuid); got != want {
			t.Errorf("%q: got %v", uuid, got)
		}
	}
}

func TestBadThinIsRefused(t *testing.T) {
	spec := Spec{UUID: "DMTHIN-1-pool"}
	pool := newPool(spec.id(), spec.prefix(), devNumber{}, nil)
	good := Thin{Name: "layer", UUID: "DMTHIN-1-5-layer", ID: MaxDeviceID, Size: 512}
	if err := pool.validate(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Thin){
		"no name":      func(t *Thin) { t.Name = "" },
		"foreign UUID": func(t *Thin) { t.UUID = "LVM-x" },
		"pool's UUID":  func(t *Thin) { t.UUID = "DMTHIN-1-pool" },
		"ID too large": func(t *Thin) { t.ID = MaxDeviceID + 1 },
		"size 0":       func(t *Thin) { t.Size = 0 },
		"half sector":  func(t *Thin) { t.Size = 700 },
	} {
		thin := good
		change(&thin)
		if pool.validate(thin) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDiscardChunksAreWholeBlocks(t *testing.T) {
	for _, size := range []int64{64 << 10, 192 << 10, 512 << 20, 1 << 30} {
		pool := &Pool{blockSize: size}
		chunk := pool.discardChunk()
		if chunk%size != 0 || chunk < size || chunk > max(size, discardChunk) {
			t.Errorf("block size %d: chunk %d", size, chunk)
		}
	}
}
