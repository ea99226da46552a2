package filesystem

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSuperblocksSayHowTheFilesystemWasLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		t      Type
		at     int // byte to set bits of
		bits   byte
		replay bool
		damage bool
	}{
		{"clean ext4", Ext4, 0, 0, false, false},
		{"ext4 after a crash", Ext4, extSuperblock + extIncompat, extRecover, true, false},
		{"ext4 found damaged", Ext4, extSuperblock + extStateOffset, extStateErrors, false, true},
		{"clean xfs", XFS, 0, 0, false, false},
		{"xfs that needs repair", XFS, xfsIncompat + 3, xfsNeedsRepair, false, true},
		{"xfs never made to its end", XFS, xfsInProgress, 1, false, true},
	} {
		image := filepath.Join(t.TempDir(), "image")
		f, err := os.Create(image)
		if err == nil {
			err = errors.Join(f.Truncate(400<<20), f.Close())
		}
		if err == nil {
			err = Format(t.Context(), image, c.t, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		uuid, err := UUID(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		b, err := readSuperblock(image)
		if err != nil {
			t.Fatal(err)
		}
		b[c.at] |= c.bits
		got, err := ParseSuperblock(b)
		if want := (Superblock{Type: c.t, UUID: uuid, Replay: c.replay, Damage: c.damage}); err != nil || got != want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	for _, size := range []int{0, 100, SuperblockSize} {
		if _, err := ParseSuperblock(make([]byte, size)); !errors.Is(err, ErrNoFilesystem) {
			t.Errorf("%d zeros: %v", size, err)
		}
	}
}
