//go:build dmtest

package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/dm/dmtest"
	"github.com/dmthin/dmthin/internal/monitor"
	"github.com/dmthin/dmthin/internal/thinpool"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	prefix = "DMTEST-M-"
)

func TestMain(m *testing.M) {
	dmtest.Main(m,
		`switching pool to out-of-data-space`,
		`switching pool to out-of-metadata-space`,
		`reached low water mark`,
		`thin: Creation of .* failed`,
		`space map metadata: unable to allocate new metadata block`,
	)
}

func logTo(t testing.TB) *logrus.Entry {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	logger.AddHook(testLog{t})
	return logrus.NewEntry(logger)
}

// testLog sends a log to the test's.
type testLog struct{ t testing.TB }

func (testLog) Levels() []logrus.Level { return logrus.AllLevels }

func (l testLog) Fire(e *logrus.Entry) error {
	l.t.Logf("%s: %s", e.Level, e.Message)
	return nil
}

// watch runs a monitor until the test ends.
func watch(t testing.TB, cfg monitor.Config) *monitor.Monitor {
	t.Helper()
	events, err := dm.OpenEvents()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Events, cfg.Interval, cfg.Log = events, 2*time.Second, logTo(t)
	m := monitor.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := events.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// openPool makes a pool on loop devices of these sizes.
func openPool(t testing.TB, data, metadata int64) (*thinpool.Pool, thinpool.Spec) {
	t.Helper()
	spec := thinpool.Spec{
		Name: "dmtest-watched", UUID: prefix + "pool", BlockSize: 64 * kib, LowWaterBlocks: 32,
		DataDevice: dmtest.Loop(t, data), MetadataDevice: dmtest.Loop(t, metadata),
	}
	pool, err := thinpool.Open(t.Context(), spec, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		deactivateAll(t, pool)
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return pool, spec
}

func deactivateAll(t testing.TB, pool *thinpool.Pool) {
	t.Helper()
	active, err := pool.Active(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, device := range active {
		if err := deactivate(pool, device.Name); err != nil {
			t.Error(err)
		}
	}
}

// deactivate waits for LVM's programs and udev's, which open each device for a
// moment.
func deactivate(pool *thinpool.Pool, name string) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := pool.Deactivate(context.Background(), name)
		if !errors.Is(err, thinpool.ErrBusy) || time.Now().After(deadline) {
			return err
		}
	}
}

// createActive makes a thin device of 1 GiB and activates it.
func createActive(t testing.TB, pool *thinpool.Pool, id thinpool.DeviceID) (thinpool.Thin, string) {
	t.Helper()
	thin := thinpool.Thin{
		Name: fmt.Sprintf("dmtest-watched-%d", id), UUID: fmt.Sprintf("%s%d-layer", prefix, id), ID: id, Size: 1 << 30,
	}
	if err := pool.CreateThin(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	node, err := pool.Activate(t.Context(), thin, false)
	if err != nil {
		t.Fatal(err)
	}
	return thin, node.Path
}

// write writes n bytes from offset on, around the page cache, and returns how
// long the last write took.
func write(path string, offset, n int64) (last time.Duration, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block, err := unix.Mmap(-1, 0, mib, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Munmap(block)) }()
	copy(block, "dmthin")
	for end := offset + n; offset < end && err == nil; offset += mib {
		start := time.Now()
		_, err = f.WriteAt(block, offset)
		last = time.Since(start)
	}
	return last, err
}

// readsBack reads what write wrote to the start of a device.
func readsBack(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [6]byte
	if _, err := f.Read(b[:]); err != nil || string(b[:]) != "dmthin" {
		t.Errorf("reads %q, %v", b, err)
	}
}

// eventually waits for what the monitor does in its own time.
func eventually(t testing.TB, what string, limit time.Duration, is func() bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < limit; time.Sleep(20 * time.Millisecond) {
		if is() {
			t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
			return
		}
	}
	t.Errorf("not in %v: %s", limit, what)
}

func status(t testing.TB, pool *thinpool.Pool) thinpool.Status {
	t.Helper()
	s, err := pool.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// output runs a program and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, strings.Join(strings.Fields(complaint.String()), " "))
	}
	return string(out), err
}
