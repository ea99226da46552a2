package thintools

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// metadata makes the metadata of a pool with two devices in a file; no kernel
// is needed for it.
func metadata(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	xml := filepath.Join(dir, "xml")
	const content = `<superblock uuid="" time="1" transaction="7" version="2" data_block_size="128" nr_data_blocks="1000">
<device dev_id="1" mapped_blocks="2" transaction="1" creation_time="0" snap_time="1">
<range_mapping origin_begin="0" data_begin="0" length="2" time="0"/></device>
<device dev_id="2" mapped_blocks="1" transaction="2" creation_time="1" snap_time="1">
<single_mapping origin_block="0" data_block="5" time="1"/></device>
</superblock>`
	if err := os.WriteFile(xml, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	path := sized(t, filepath.Join(dir, "metadata"))
	if out, err := exec.CommandContext(t.Context(), "thin_restore", "-i", xml, "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("thin_restore: %v: %s", err, out)
	}
	return path
}

func sized(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4 << 20); err != nil {
		t.Fatal(err)
	}
	return path
}

// damage overwrites one block of metadata.
func damage(t *testing.T, path string, block int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("this was no accident"), block*4096); err != nil {
		t.Fatal(err)
	}
}

func requireWhole(t *testing.T, path string) {
	t.Helper()
	if found, err := Check(t.Context(), path); err != nil || len(found) != 0 {
		t.Errorf("Check of %s = %q, %v", path, found, err)
	}
}

func TestWholeMetadataHasNoDamage(t *testing.T) {
	path := metadata(t)
	requireWhole(t, path)
	if found, err := ClearNeedsCheck(t.Context(), path); err != nil || len(found) != 0 {
		t.Errorf("ClearNeedsCheck = %q, %v", found, err)
	}
}

func TestDamagedMetadataIsNamed(t *testing.T) {
	path := metadata(t)
	damage(t, path, 0)
	if found, err := Check(t.Context(), path); err != nil || len(found) == 0 {
		t.Errorf("Check = %q, %v", found, err)
	}
}

func TestDamageOfTheDevicesIsFoundWithoutTheirMappings(t *testing.T) {
	path := metadata(t)
	if found, err := CheckDevices(t.Context(), path); err != nil || len(found) != 0 {
		t.Errorf("CheckDevices of whole metadata = %q, %v", found, err)
	}
	superblock, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const detailsRoot = 328 // of the tree of devices, in the superblock
	damage(t, path, int64(binary.LittleEndian.Uint64(superblock[detailsRoot:])))
	if found, err := CheckDevices(t.Context(), path); err != nil || len(found) == 0 {
		t.Errorf("CheckDevices = %q, %v", found, err)
	}
}

func TestMendingLeaksLeavesDamagedMetadataAlone(t *testing.T) {
	whole := metadata(t)
	if found, err := MendLeaks(t.Context(), whole); err != nil || len(found) != 0 {
		t.Errorf("MendLeaks of whole metadata = %q, %v", found, err)
	}
	requireWhole(t, whole)
	damaged := metadata(t)
	damage(t, damaged, 0)
	before, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := MendLeaks(t.Context(), damaged); err != nil || len(found) == 0 {
		t.Errorf("MendLeaks of damaged metadata = %q, %v", found, err)
	}
	if after, err := os.ReadFile(damaged); err != nil || !bytes.Equal(before, after) {
		t.Errorf("damaged metadata was changed: %v", err)
	}
}

func TestMetadataThatIsNotThereIsAnErrorAndNoDamage(t *testing.T) {
	if found, err := Check(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("Check of nothing = %q, nil", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := Check(ctx, metadata(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Check after the end of its context = %q, %v", found, err)
	}
}

func TestARepairLeavesItsSourceAndGivesWholeMetadata(t *testing.T) {
	for name, tt := range map[string]struct {
		block int64
		lost  Superblock
	}{
		"nothing damaged": {-1, Superblock{}},
		"superblock lost": {0, Superblock{TransactionID: 7, BlockSize: 64 << 10, DataBlocks: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			from := metadata(t)
			if tt.block >= 0 {
				damage(t, from, tt.block)
			}
			before, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			to := sized(t, filepath.Join(t.TempDir(), "repaired"))
			if err := Repair(t.Context(), from, to, tt.lost); err != nil {
				t.Fatal(err)
			}
			requireWhole(t, to)
			if after, err := os.ReadFile(from); err != nil || string(after) != string(before) {
				t.Errorf("the source was changed (%v)", err)
			}
		})
	}
}

func TestAMissingProgramNamesThePackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := run(t.Context(), "thin_nothing"); !errors.Is(err, ErrMissing) {
		t.Errorf("run = %v", err)
	}
}
