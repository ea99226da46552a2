//go:build dmtest

package thinpool_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

func TestNewPoolIsEmptyAndWritable(t *testing.T) {
	pool := newPool(t)
	got := status(t, pool)
	want := thinpool.Status{
		MetadataTotal: 2048, DataTotal: 4096, BlockSize: 64 * kib,
		Mode: thinpool.ModeReadWrite, DiscardPassdown: got.DiscardPassdown, MetadataLowWater: 512,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(thinpool.Status{}, "MetadataUsed")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat("/dev/mapper/" + pool.Name()); err != nil {
		t.Errorf("no symlink: %v", err)
	}
}

func TestPoolSettingsReachTheKernel(t *testing.T) {
	spec := newSpec(t)
	spec.BlockSize, spec.ErrorIfNoSpace, spec.NoDiscardPassdown = 192*kib, true, true
	pool := openPool(t, spec)
	got := status(t, pool)
	if !got.ErrorIfNoSpace || got.DiscardPassdown || got.DataTotal != 256*mib/(192*kib) {
		t.Errorf("got %+v", got)
	}
	table, err := dm.Table(dm.ID{Name: spec.Name})
	if err != nil || !strings.Contains(table[0].Params, " 384 16 3 skip_block_zeroing no_discard_passdown error_if_no_space") {
		t.Errorf("table %v, %v", table, err)
	}
}

// Status runs on every docker info; a plain one would commit the metadata.
func TestStatusDoesNotWrite(t *testing.T) {
	spec := newSpec(t)
	pool := openPool(t, spec)
	_, node := createActive(t, pool, 1)
	before := sectorsWritten(t, spec.MetadataDevice)
	// The kernel commits on its own each second, and once for the write.
	f, err := os.OpenFile(node.Path, os.O_WRONLY|syscall.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		status(t, pool)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if after := sectorsWritten(t, spec.MetadataDevice); after != before {
		t.Errorf("%s sectors written before, %s after", before, after)
	}
}

func sectorsWritten(t *testing.T, device string) string {
	t.Helper()
	text, err := os.ReadFile("/sys/block/" + strings.TrimPrefix(device, "/dev/") + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))[6]
}

func TestActivePoolIsAdopted(t *testing.T) {
	spec := newSpec(t)
	first := openPool(t, spec)
	create(t, first, 7)
	dmtest.Run(t, "dmsetup", "suspend", spec.Name) // what a crash midway may leave
	second, err := thinpool.Open(t.Context(), spec, quiet())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, second.CreateThin(t.Context(), 7), thinpool.ErrDeviceExists)
	activate(t, second, thin(7))
}

func TestReopenedPoolKeepsItsDevices(t *testing.T) {
	spec := newSpec(t)
	pool := openPool(t, spec)
	create(t, pool, 7)
	if err := pool.SetTransactionID(t.Context(), 0, 5); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
	pool = openPool(t, spec)
	wantError(t, pool.CreateThin(t.Context(), 7), thinpool.ErrDeviceExists)
	if got := status(t, pool).TransactionID; got != 5 {
		t.Errorf("transaction ID %d", got)
	}
}

func TestForeignDeviceIsNotTakenForThePool(t *testing.T) {
	spec := newSpec(t)
	dmtest.Run(t, "dmsetup", "create", spec.Name, "--uuid", "OTHER-pool", "--table", "0 8 error")
	defer dmtest.Run(t, "dmsetup", "remove", spec.Name)
	_, err := thinpool.Open(t.Context(), spec, quiet())
	wantError(t, err, thinpool.ErrForeign)
}

func TestDeviceThatIsNoPoolIsRefused(t *testing.T) {
	spec := newSpec(t)
	dmtest.Run(t, "dmsetup", "create", spec.Name, "--uuid", spec.UUID, "--table", "0 8 error")
	defer dmtest.Run(t, "dmsetup", "remove", spec.Name)
	_, err := thinpool.Open(t.Context(), spec, quiet())
	wantError(t, err, thinpool.ErrForeign)
}

func TestPoolOnOtherDevicesIsNotAdopted(t *testing.T) {
	spec := newSpec(t)
	openPool(t, spec)
	other := spec
	other.DataDevice = dmtest.Loop(t, 256*mib)
	_, err := thinpool.Open(t.Context(), other, quiet())
	if err == nil || !strings.Contains(err.Error(), "the active pool lies on metadata device") {
		t.Errorf("got %v", err)
	}
}

// The block size is fixed for ever: the user has to hear so by both numbers,
// whether the pool is active or not.
func TestOtherBlockSizeIsRefusedByBothSizes(t *testing.T) {
	spec := newSpec(t)
	pool := openPool(t, spec)
	other := spec
	other.BlockSize = 128 * kib
	for _, state := range []string{"active", "inactive"} {
		_, err := thinpool.Open(t.Context(), other, quiet())
		if err == nil || !strings.Contains(err.Error(), "65536") || !strings.Contains(err.Error(), "131072") {
			t.Errorf("%s: got %v", state, err)
		}
		if err := pool.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	openPool(t, spec) // still as it was
}

func TestBadDevicesAreRefusedByName(t *testing.T) {
	good := newSpec(t)
	garbage := dmtest.Loop(t, 8*mib)
	if err := os.WriteFile(garbage, []byte("somebody's data"), 0); err != nil {
		t.Fatal(err)
	}
	plain := t.TempDir() + "/file"
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change    func(*thinpool.Spec)
		complaint string
	}{
		"missing data":     {func(s *thinpool.Spec) { s.DataDevice = "/dev/nosuch" }, "data device: open /dev/nosuch: no such file"},
		"missing metadata": {func(s *thinpool.Spec) { s.MetadataDevice = "/dev/nosuch" }, "metadata device: open /dev/nosuch: no such file"},
		"plain file":       {func(s *thinpool.Spec) { s.DataDevice = plain }, "is not a block device"},
		"one for both":     {func(s *thinpool.Spec) { s.DataDevice = s.MetadataDevice }, "are the same device"},
		"less than a block": {func(s *thinpool.Spec) {
			s.BlockSize, s.DataDevice = 1<<30, dmtest.Loop(t, 64*mib)
		}, "less than one block"},
		"garbage": {func(s *thinpool.Spec) { s.MetadataDevice = garbage }, "no thin pool's metadata"},
	} {
		spec := good
		tt.change(&spec)
		_, err := thinpool.Open(t.Context(), spec, quiet())
		if err == nil || !strings.Contains(err.Error(), tt.complaint) {
			t.Errorf("%s: got %v, want one that says %q", name, err, tt.complaint)
		}
	}
}

func TestHalfMadePoolIsMadeAnew(t *testing.T) {
	spec := newSpec(t)
	dmtest.Run(t, "dmsetup", "create", spec.Name, "--uuid", spec.UUID, "--notable")
	openPool(t, spec)
}

func TestPoolWithActiveDevicesIsBusy(t *testing.T) {
	pool := newPool(t)
	createActive(t, pool, 1)
	wantError(t, pool.Close(t.Context()), thinpool.ErrBusy)
}
