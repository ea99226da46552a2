package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// fakeSource is a daemon that answers from its fields.
type fakeSource struct {
	maintenance

	status  Status
	layers  []Layer
	healthy error
	err     error // what Status and Layers fail with

	mu    sync.Mutex // protects level
	level string
}

func (f *fakeSource) Version() Version { return fullVersion }

func (f *fakeSource) Status(context.Context) (Status, error) { return f.status, f.err }

func (f *fakeSource) Layers(context.Context) ([]Layer, error) { return f.layers, f.err }

func (f *fakeSource) Layer(_ context.Context, id string) (Layer, error) {
	for _, l := range f.layers {
		if l.ID == id {
			return l, nil
		}
	}
	return Layer{}, fmt.Errorf("%w: %s", ErrNoLayer, id)
}

func (f *fakeSource) Healthy(context.Context) error { return f.healthy }

func (f *fakeSource) SetLogLevel(_ context.Context, level string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.level = level
	return nil
}

func (f *fakeSource) logLevel() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.level
}

func quietLog() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// serve runs a server on a real socket until the test ends.
func serve(t *testing.T, s *Server) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve returned %v, want nil", err)
		}
	})
	return socket
}

var lastExtension = time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)

var fullVersion = Version{
	Version:   "v1.2.3",
	GitCommit: "0123abc",
	GoVersion: "go1.26.8",
	DMDriver:  "4.48.0",
	DMLibrary: "1.02.205 (2025-02-27)",
}

var fullStatus = Status{
	State: StateReady,
	Error: "no error, every field is set",
	Pool: PoolStatus{
		Name: "dmthin-4f1c-pool", Backend: "loop-lvm", Filesystem: "ext4",
		BlockSize: 65536, BaseSize: 10 << 30,
		DataUsed: 12 << 20, DataTotal: 100 << 30, DataAvailable: 40 << 30,
		MetadataUsed: 81920, MetadataTotal: 2 << 30, MetadataAvailable: 2<<30 - 81920,
		TransactionID: 42, Mode: PoolReadWrite, NeedsCheck: true,
		MinFreeSpace: 10 << 30, DeferredRemoval: true, DeferredDeletion: true,
		DeferredDeletedDevices: 1, UdevSync: true,
		DataLoopFile:     "/var/lib/docker/dmthin/devicemapper/data",
		MetadataLoopFile: "/var/lib/docker/dmthin/devicemapper/metadata",
		DataDevice:       "/dev/loop0",
		MetadataDevice:   "/dev/loop1",
		Growth: Growth{
			Automatic: true, Threshold: 80, DataLevel: LevelLow, MetadataLevel: LevelOK,
			Extensions: 2, LastExtension: &lastExtension, Failure: "volume group docker is full",
		},
	},
	Layers: 3, Mounted: 1, Active: 2,
	Leaked:    []uint32{17, 16777215},
	Problems:  []string{"metadata/abc: unexpected end of JSON input"},
	Home:      "/var/lib/docker/dmthin",
	StateDir:  "/var/lib/docker/dmthin",
	StartedAt: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC),
}

var fullLayer = Layer{
	ID: "f00d", Parent: "beef", DeviceID: 7,
	DeviceName: "dmthin-4f1c-f00d",
	Size:       10 << 30, Mapped: 3 << 20, Exclusive: 64 << 10, Filesystem: "ext4",
	State: LayerReady, Mounted: true,
	MountPoint: "/var/lib/docker/dmthin/mnt/f00d",
	References: 2, Busy: true,
	Problem: "device 7 is not in the pool",
}

// maintenance records what it was asked and answers from its fields.
type maintenance struct {
	asked    []any
	progress []string // reported before each answer
	failure  error
	backup   string
}

func (m *maintenance) did(request any, report Progress) error {
	m.asked = append(m.asked, request)
	for _, p := range m.progress {
		report(p)
	}
	return m.failure
}

func (m *maintenance) Check(_ context.Context, req CheckRequest, report Progress) (CheckReport, error) {
	return CheckReport{Layers: 7}, m.did(req, report)
}

func (m *maintenance) Collect(_ context.Context, req CollectRequest, report Progress) (CollectReport, error) {
	return CollectReport{Garbage: []Garbage{{Layer: "a", Deleted: true}}}, m.did(req, report)
}

func (m *maintenance) Trim(_ context.Context, req TrimRequest, report Progress) (TrimReport, error) {
	return TrimReport{Freed: 5}, m.did(req, report)
}

func (m *maintenance) Resize(_ context.Context, req ResizeRequest, report Progress) (ResizeReport, error) {
	return ResizeReport{Data: req.Data}, m.did(req, report)
}

func (m *maintenance) Backup(_ context.Context, w io.Writer) error {
	if m.backup == "" {
		return m.failure
	}
	_, err := io.WriteString(w, m.backup)
	return errors.Join(err, m.failure)
}

func (m *maintenance) Snapshot(_ context.Context, req SnapshotRequest) (Layer, error) {
	return Layer{ID: req.ID, Parent: req.Parent}, m.did(req, nil)
}

func (m *maintenance) Remove(_ context.Context, id string, force bool) error {
	return m.did([]any{"remove", id, force}, nil)
}

func (m *maintenance) Hold(_ context.Context, id string, req HoldRequest) (Held, error) {
	return Held{ID: id, Device: "/dev/dm-3", Filesystem: "ext4", Root: "rootfs"}, m.did(req, nil)
}

func (m *maintenance) Release(_ context.Context, id string) error {
	return m.did([]any{"release", id}, nil)
}
