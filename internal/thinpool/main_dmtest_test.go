//go:build dmtest

package thinpool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/thinpool"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`ioctl: error adding target to table`,
		`thin: (Creation|Deletion) of .* failed`,
		`thin: Failed to change transaction id`,
		`thin: (reserve|release)_metadata_snap message failed`,
		`switching pool to out-of-data-space`,
		`thin-pool: preresume failed`,
	)
}

func quiet() *logrus.Entry {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	return logrus.NewEntry(logger)
}

// newSpec describes a pool on fresh loop devices.
func newSpec(t testing.TB) thinpool.Spec {
	t.Helper()
	return thinpool.Spec{
		Name: "dmtest-pool", UUID: "DMTEST-1-pool",
		DataDevice: dmtest.Loop(t, 256*mib), MetadataDevice: dmtest.Loop(t, 8*mib),
		BlockSize: 64 * kib, LowWaterBlocks: 16,
	}
}

// openPool opens a pool that the test's end closes.
func openPool(t testing.TB, spec thinpool.Spec) *thinpool.Pool {
	t.Helper()
	pool, err := thinpool.Open(t.Context(), spec, quiet())
	if err != nil {
		t.Fatal(err)
	}
	pool.Settle(t.Context())
	t.Cleanup(func() { closeAll(t, pool) })
	return pool
}

// closeAll removes the pool and what tests left active in it.
func closeAll(t testing.TB, pool *thinpool.Pool) {
	t.Helper()
	ctx := context.Background()
	active, err := pool.Active(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, device := range active {
		if err := pool.Deactivate(ctx, device.Name); err != nil {
			t.Error(err)
		}
	}
	if err := pool.Close(ctx); err != nil {
		t.Error(err)
	}
}

func newPool(t testing.TB) *thinpool.Pool {
	t.Helper()
	return openPool(t, newSpec(t))
}

// thin returns the description of a device of 32 MiB.
func thin(id thinpool.DeviceID) thinpool.Thin {
	return thinpool.Thin{
		Name: fmt.Sprintf("dmtest-thin-%d", id), UUID: fmt.Sprintf("DMTEST-1-%d-layer", id), ID: id, Size: 32 * mib,
	}
}

func create(t testing.TB, pool *thinpool.Pool, id thinpool.DeviceID) {
	t.Helper()
	if err := pool.CreateThin(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func activate(t testing.TB, pool *thinpool.Pool, device thinpool.Thin) thinpool.Device {
	t.Helper()
	node, err := pool.Activate(t.Context(), device, false)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// createActive makes a device and activates it.
func createActive(t testing.TB, pool *thinpool.Pool, id thinpool.DeviceID) (thinpool.Thin, thinpool.Device) {
	t.Helper()
	create(t, pool, id)
	return thin(id), activate(t, pool, thin(id))
}

func status(t testing.TB, pool *thinpool.Pool) thinpool.Status {
	t.Helper()
	got, err := pool.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func lookup(t testing.TB, pool *thinpool.Pool, name string) thinpool.Info {
	t.Helper()
	info, err := pool.Lookup(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// fill writes n bytes of b to the start of a device, past the page cache.
func fill(t testing.TB, device thinpool.Device, b byte, n int) {
	t.Helper()
	f, err := os.OpenFile(device.Path, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write([]byte(strings.Repeat(string(rune(b)), n)))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func firstByte(t testing.TB, device thinpool.Device) byte {
	t.Helper()
	f, err := os.Open(device.Path)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.Read(b[:])
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b[0]
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}
