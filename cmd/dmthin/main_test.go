package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/dmthin/dmthin/internal/admin"
)

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// asTool, set, has the test program be dmthin itself.
const asTool = "DMTHIN_TEST_AS_TOOL"

// result is what a user sees of one invocation.
type result struct {
	code        int
	out, errOut string
}

// dmthin runs the tool in this process, without an environment.
func dmthin(t *testing.T, args ...string) result {
	t.Helper()
	return dmthinEnv(t, nil, args...)
}

func dmthinEnv(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	a := newApp(&out, &errOut, func(key string) string { return env[key] })
	a.pools, a.daemons = &fakePools{}, nil
	code := a.run(t.Context(), args)
	return result{code, out.String(), errOut.String()}
}

// daemon is a fake of what stands behind the admin socket.
type daemon struct {
	maintenance
	status admin.Status
	layers []admin.Layer
	err    error // of Status and Layers
}

func (d *daemon) Version() admin.Version {
	return admin.Version{
		Version: "v1.2.3", GitCommit: "0123abc", GoVersion: "go1.26.8",
		DMDriver: "4.48.0", DMLibrary: "1.02.205 (2025-02-27)",
	}
}

func (d *daemon) Status(context.Context) (admin.Status, error) { return d.status, d.err }

func (d *daemon) Layers(context.Context) ([]admin.Layer, error) { return d.layers, d.err }

func (d *daemon) Layer(_ context.Context, id string) (admin.Layer, error) {
	for _, l := range d.layers {
		if l.ID == id {
			return l, nil
		}
	}
	return admin.Layer{}, fmt.Errorf("%w: %s", admin.ErrNoLayer, id)
}

func (d *daemon) Healthy(context.Context) error { return d.err }

func (d *daemon) SetLogLevel(context.Context, string) error { return d.err }

// start serves d in a state directory and returns that.
func (d *daemon) start(t *testing.T) (state string) {
	t.Helper()
	state = t.TempDir()
	l, err := admin.Listen(t.Context(), filepath.Join(state, admin.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	server := admin.NewServer(d, log)
	server.Handle("/metrics", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "dmthin_up 1\n")
	}))
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return state
}

var (
	imageID     = "4f5e6d7c8b9a" + strings.Repeat("0", 52)
	containerID = "aaaa6d7c8b9a" + strings.Repeat("1", 52)
	oddID       = "k3jx0q9zr5m2" + "vbuildkit7xyz"
)

// readyDaemon has an image layer, a running container on it with its init
// layer, and a layer of BuildKit's.
func readyDaemon() *daemon {
	const mnt = "/var/lib/docker/dmthin/mnt/"
	layer := func(id, parent string, dev uint32) admin.Layer {
		return admin.Layer{
			ID: id, Parent: parent, DeviceID: dev, DeviceName: "dmthin-4f1c-" + id,
			Size: 10737418240, Mapped: 3145728, Exclusive: 65536, Filesystem: "ext4", State: admin.LayerReady,
		}
	}
	container := layer(containerID, containerID+"-init", 4)
	container.Mounted, container.MountPoint, container.References = true, mnt+containerID, 1
	odd := layer(oddID, imageID, 5)
	odd.Mapped, odd.Exclusive = admin.MappedUnknown, admin.MappedUnknown
	odd.State, odd.Problem = admin.LayerApplying, "device 5 is not in the pool"
	return &daemon{
		status: readyStatus(),
		layers: []admin.Layer{layer(imageID, "", 2), container, layer(containerID+"-init", imageID, 3), odd},
	}
}

func readyStatus() admin.Status {
	return admin.Status{
		State: admin.StateReady,
		Pool: admin.PoolStatus{
			Name: "dmthin-4f1c-pool", Backend: "loop-lvm", Filesystem: "ext4",
			BlockSize: 65536, BaseSize: 10737418240,
			DataUsed: 26843545600, DataTotal: 107374182400, DataAvailable: 42949672960,
			MetadataUsed: 81920, MetadataTotal: 2147483648, MetadataAvailable: 2147401728,
			TransactionID: 42, Mode: admin.PoolReadWrite, MinFreeSpace: 10737418240,
			DeferredRemoval: true, DeferredDeletion: true, DeferredDeletedDevices: 1, UdevSync: true,
			DataLoopFile:     "/var/lib/docker/dmthin/devicemapper/data",
			MetadataLoopFile: "/var/lib/docker/dmthin/devicemapper/metadata",
			DataDevice:       "/dev/loop0", MetadataDevice: "/dev/loop1",
		},
		Layers: 4, Mounted: 1, Active: 2, Leaked: []uint32{17},
		Home: "/var/lib/docker/dmthin", StateDir: "/var/lib/docker/dmthin",
		StartedAt: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC),
	}
}
