//go:build roottest

package looplvm

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func sizes(t *testing.T, b *Backend) [2]int64 {
	t.Helper()
	data, err := b.DataSize()
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := b.MetadataSize()
	if err != nil {
		t.Fatal(err)
	}
	return [2]int64{data, metadata}
}

// An operator grows the file by hand, as Docker's manual says; the daemon's
// own idea of its size is old then.
func TestGrowingAfterAGrowthByHandCutsNothingOff(t *testing.T) {
	b := mustOpen(t, newConfig(t))
	defer mustClose(t, b)
	if err := os.Truncate(b.DataFile(), 256*mib); err != nil {
		t.Fatal(err)
	}
	writeAt(t, b.DataFile(), []byte("a layer"), 200*mib)
	if err := b.GrowData(128 * mib); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(b.DataFile()); err != nil || info.Size() != 256*mib {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
	if got := sizes(t, b); got != [2]int64{256 * mib, 4 * mib} {
		t.Errorf("the devices have %d bytes", got)
	}
}

func TestFilesGrownByHandAreTakenUp(t *testing.T) {
	b := mustOpen(t, newConfig(t))
	defer mustClose(t, b)
	if err := b.TakeUp(); err != nil || sizes(t, b) != [2]int64{64 * mib, 4 * mib} {
		t.Errorf("nothing to take up: %v, %d", err, sizes(t, b))
	}
	for file, size := range map[string]int64{b.DataFile(): 100 * mib, b.MetadataFile(): 8 * mib} {
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.TakeUp(); err != nil {
		t.Fatal(err)
	}
	if got := sizes(t, b); got != [2]int64{100 * mib, 8 * mib} {
		t.Errorf("the devices have %d bytes", got)
	}
}

func allocated(t *testing.T, file string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func TestMetadataHasItsPlaceBeforeItIsWritten(t *testing.T) {
	cfg := newConfig(t)
	cfg.MetadataSize = 256 * mib
	b := mustOpen(t, cfg)
	defer mustClose(t, b)
	for _, step := range []struct{ used, want int64 }{
		{0, 64 * mib},
		{16 * mib, 64 * mib}, // three quarters of the reserve are left
		{40 * mib, 104 * mib},
		{10 * mib, 104 * mib},
		{230 * mib, 256 * mib},
		{256 * mib, 256 * mib},
	} {
		if err := b.ReserveMetadata(step.used); err != nil {
			t.Fatal(err)
		}
		if got := allocated(t, b.MetadataFile()); got < step.want || got > step.want+mib {
			t.Errorf("%d bytes used: %d on the disk, want %d", step.used, got, step.want)
		}
	}
	if got := sizes(t, b)[1]; got != 256*mib {
		t.Errorf("the device has %d bytes", got)
	}
}

// The first file of a pair may have been given its place when a crash came.
func TestReservedFileStillCountsAsNeverWritten(t *testing.T) {
	cfg := newConfig(t)
	b := mustOpen(t, cfg)
	if err := b.ReserveMetadata(0); err != nil {
		t.Fatal(err)
	}
	mustClose(t, b)
	if err := os.Remove(b.DataFile()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, cfg))
}
