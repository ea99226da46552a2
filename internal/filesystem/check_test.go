package filesystem

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A filesystem in a plain file needs no root.
func fileWith(t *testing.T, typ Type, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := Format(t.Context(), path, typ, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAWholeFilesystemHasNoDamage(t *testing.T) {
	for typ, size := range map[Type]int64{Ext4: 64 << 20, XFS: 512 << 20} {
		damage, err := Check(t.Context(), fileWith(t, typ, size), typ)
		if err != nil || len(damage) != 0 {
			t.Errorf("%s: Check = %q, %v", typ, damage, err)
		}
	}
}

func TestDamageIsFoundAndLeftAsItIs(t *testing.T) {
	const size = 512 << 20
	for typ, at := range map[Type]int64{Ext4: 4096, XFS: 512} { // group descriptors; free space header
		path := fileWith(t, typ, size)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		junk := make([]byte, 512)
		for i := range junk {
			junk[i] = 0xa5
		}
		if _, err := f.WriteAt(junk, at); err != nil {
			t.Fatal(err)
		}
		damage, err := Check(t.Context(), path, typ)
		if err != nil || len(damage) == 0 {
			t.Errorf("%s: Check = %q, %v", typ, damage, err)
		}
		now := make([]byte, len(junk))
		if _, err := f.ReadAt(now, at); err != nil || string(now) != string(junk) {
			t.Errorf("%s: Check wrote to the device (%v)", typ, err)
		}
	}
}

func TestACheckThatCanNotRunIsAnErrorAndNoDamage(t *testing.T) {
	if damage, err := Check(t.Context(), filepath.Join(t.TempDir(), "missing"), Ext4); err == nil {
		t.Errorf("Check of a missing device = %q, nil", damage)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if damage, err := Check(ctx, fileWith(t, Ext4, 64<<20), Ext4); err == nil {
		t.Errorf("Check after the end of its context = %q, nil", damage)
	}
}
