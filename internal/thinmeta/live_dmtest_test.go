//go:build dmtest

package thinmeta

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
)

const (
	livePool    = "thinmetatest-pool"
	poolBlock   = 64 << 10
	thinSectors = 128 << 10 // 64 MiB
)

// newPool makes a thin pool and returns its metadata device.
func newPool(t *testing.T) string {
	t.Helper()
	metadata, data := dmtest.Loop(t, 16<<20), dmtest.Loop(t, 512<<20)
	create(t, livePool, fmt.Sprintf("0 %d thin-pool %s %s 128 0 1 skip_block_zeroing", 512<<11, metadata, data))
	return metadata
}

func create(t *testing.T, name, table string) {
	t.Helper()
	dmtest.Run(t, "dmsetup", "create", name, "--table", table)
	t.Cleanup(func() { dmtest.Run(t, "dmsetup", "remove", "--retry", name) })
}

func message(t *testing.T, text string) {
	t.Helper()
	dmtest.Run(t, "dmsetup", "message", livePool, "0", text)
}

// activate opens the device of an ID for writing.
func activate(t *testing.T, id int) *os.File {
	t.Helper()
	name := fmt.Sprintf("thinmetatest-%d", id)
	create(t, name, fmt.Sprintf("0 %d thin /dev/mapper/%s %d", thinSectors, livePool, id))
	f, err := os.OpenFile("/dev/mapper/"+name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func scatter(t *testing.T, f *os.File, n int, seed uint64) {
	t.Helper()
	if err := writeScattered(f, n, seed); err != nil {
		t.Fatal(err)
	}
}

// writeScattered writes into n blocks all over the device.
func writeScattered(f *os.File, n int, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 2))
	for range n {
		at := random.Int64N(thinSectors*512/poolBlock) * poolBlock
		if _, err := f.WriteAt([]byte{byte(n)}, at); err != nil {
			return err
		}
	}
	return f.Sync()
}

func TestAMetadataSnapshotOfALivePool(t *testing.T) {
	metadata := newPool(t)
	message(t, "create_thin 0")
	origin := activate(t, 0)
	scatter(t, origin, 600, 1)
	cached, err := os.Open(metadata) // from here on the page cache of the device is stale
	if err != nil {
		t.Fatal(err)
	}
	defer cached.Close()
	if _, err := io.Copy(io.Discard, cached); err != nil {
		t.Fatal(err)
	}
	message(t, "create_snap 1 0")
	scatter(t, activate(t, 1), 30, 2)
	message(t, "create_thin 16777215")
	message(t, "reserve_metadata_snap")
	released := false
	release := func() {
		if !released {
			message(t, "release_metadata_snap")
			released = true
		}
	}
	defer release()
	scatter(t, origin, 200, 3) // after the snapshot: not to be seen

	r := openFor(t, metadata, OpenHeld)
	_, want := parseDump(t, []byte(dmtest.Run(t, "thin_dump", "-m", metadata)))
	if diff := cmp.Diff(want, readAll(t, r), cmp.AllowUnexported(contents{})); diff != "" {
		t.Errorf("not what thin_dump says (-want +got):\n%s", diff)
	}
	uses, err := r.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := dmtest.Run(t, "thin_ls", "-m", "--no-headers", "-o", "DEV,MAPPED_BLOCKS,EXCLUSIVE_BLOCKS", metadata)
	if diff := cmp.Diff(parseList(t, []byte(list)), uses); diff != "" {
		t.Errorf("not what thin_ls says (-want +got):\n%s", diff)
	}
	changes := diffOf(t, r, 0, 1)
	requireDelta(t, changes, []byte(dmtest.Run(t, "thin_delta", "-m", "--snap1", "0", "--snap2", "1", metadata)))
	if len(changes) == 0 || len(changes) > 30 {
		t.Errorf("%d blocks differ after 30 writes", len(changes))
	}
	release()
	if _, err := r.Devices(t.Context()); !errors.Is(err, ErrChanged) {
		t.Errorf("after the release: got %v, want %v", err, ErrChanged)
	}
}

// The kernel shares whole parts of the mapping trees, thin_restore doesn't.
func TestBlocksOfADevicesOwnAreToldFromShared(t *testing.T) {
	metadata := newPool(t)
	message(t, "create_thin 0")
	scatter(t, activate(t, 0), 600, 1)
	for id := 1; id < 5; id++ {
		message(t, fmt.Sprintf("create_snap %d %d", id, id-1))
		scatter(t, activate(t, id), 20*(id-1), uint64(id))
	}
	r := openFor(t, metadata, Open)
	uses, err := r.Uses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if uses[4].Exclusive == 0 || uses[4].Exclusive == uses[4].Mapped {
		t.Fatalf("nothing to tell: %v", uses)
	}
	requireSharing(t, r, uses)
}

// A reader of a pool at work gets the truth of one commit or ErrChanged.
func TestABusyPoolIsReadRightOrNotAtAll(t *testing.T) {
	metadata := newPool(t)
	message(t, "create_thin 0")
	origin := activate(t, 0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for id := uint64(1); ; id++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := writeScattered(origin, 20, id); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	read, changed := 0, 0
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		switch err := readConsistently(t, metadata); {
		case err == nil:
			read++
		case errors.Is(err, ErrChanged):
			changed++
		default:
			t.Error(err)
		}
	}
	close(stop)
	<-stopped
	t.Logf("%d reads, %d times the pool had changed", read, changed)
	if read == 0 || changed == 0 {
		t.Error("want some of each")
	}
}

// readConsistently checks that a device has as many mappings as it says.
func readConsistently(t *testing.T, metadata string) (err error) {
	r, err := Open(metadata)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	devices, err := r.Devices(t.Context())
	if err != nil {
		return err
	}
	var mapped uint64
	if err := r.Mappings(t.Context(), 0, func(Mapping) error { mapped++; return nil }); err != nil {
		return err
	}
	if mapped != devices[0].MappedBlocks {
		t.Errorf("%d mappings of %d", mapped, devices[0].MappedBlocks)
	}
	return nil
}
