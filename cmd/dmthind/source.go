package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/dm"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/version"
)

// source is the driver as the admin socket sees it.
type source struct{ d *driver }

func (s source) Version() admin.Version {
	build := version.Get()
	v := admin.Version{Version: build.Version, GitCommit: build.Commit, GoVersion: build.GoVersion}
	// Either stays empty where device-mapper is missing: Status says why.
	v.DMDriver, _ = dm.Version()
	v.DMLibrary, _ = dm.LibraryVersion()
	return v
}

func (s source) Status(ctx context.Context) (admin.Status, error) {
	status := admin.Status{State: admin.StateWaiting, StartedAt: s.d.started, StateDir: s.d.set.state}
	i, leave, err := s.enter()
	if err != nil {
		if failure := s.d.lastFailure(); failure != nil {
			status.State, status.Error = admin.StateFailed, failure.Error()
		}
		return status, nil
	}
	defer leave()
	status.State, status.Home, status.StateDir = admin.StateReady, i.request.Home, i.stateDir
	return status, i.describe(ctx, &status)
}

func (i *instance) describe(ctx context.Context, status *admin.Status) error {
	sum, err := i.layers.Summary(ctx)
	if err != nil {
		return err
	}
	u, err := i.usageOf(sum.Pool)
	if err != nil {
		return err
	}
	status.Layers, status.Mounted, status.Active = sum.Layers, sum.Mounted, sum.Active
	status.Problems = sum.Problems
	for _, id := range sum.Leaked {
		status.Leaked = append(status.Leaked, uint32(id))
	}
	at := i.storage.place()
	status.Pool = admin.PoolStatus{
		Name: i.pool.Name(), Backend: at.kind, Filesystem: string(sum.Filesystem),
		BlockSize: sum.Pool.BlockSize, BaseSize: sum.BaseSize,
		DataUsed: u.dataUsed, DataTotal: u.dataTotal, DataAvailable: u.dataAvailable,
		MetadataUsed: u.metadataUsed, MetadataTotal: u.metadataTotal, MetadataAvailable: u.metadataAvailable,
		TransactionID: sum.Pool.TransactionID, Mode: admin.PoolMode(sum.Pool.Mode), NeedsCheck: sum.Pool.NeedsCheck,
		MinFreeSpace: sum.MinFreeBytes, UdevSync: i.udevSync,
		DeferredRemoval: i.deferred.removal, DeferredDeletion: i.deferred.deletion,
		DeferredDeletedDevices: sum.WaitingDeletions,
		DataLoopFile:           at.dataFile, MetadataLoopFile: at.metadataFile,
		DataDevice: at.dataDevice, MetadataDevice: at.metadataDevice,
		Growth: i.growthState(),
	}
	return nil
}

// enter is the driver's, with the admin API's word for there being no pool.
func (s source) enter() (*instance, func(), error) {
	i, leave, err := s.d.enterNow()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", admin.ErrNotReady, err)
	}
	return i, leave, nil
}

func (s source) Layers(ctx context.Context) ([]admin.Layer, error) {
	i, leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	infos, err := i.layers.List(ctx)
	if err != nil {
		return nil, err
	}
	uses := s.uses(ctx, i)
	layers := make([]admin.Layer, len(infos))
	for n, info := range infos {
		layers[n] = i.adminLayer(info, uses)
	}
	return layers, nil
}

func (s source) Layer(ctx context.Context, id string) (admin.Layer, error) {
	i, leave, err := s.enter()
	if err != nil {
		return admin.Layer{}, err
	}
	defer leave()
	info, err := i.layers.Info(ctx, id)
	if errors.Is(err, layer.ErrUnknown) {
		return admin.Layer{}, fmt.Errorf("%w: %w", admin.ErrNoLayer, err)
	}
	if err != nil {
		return admin.Layer{}, err
	}
	return i.adminLayer(info, s.uses(ctx, i)), nil
}

func (i *instance) adminLayer(info layer.Info, uses spaceUses) admin.Layer {
	l := admin.Layer{
		ID: info.ID, Parent: info.Parent, DeviceID: info.DeviceID, DeviceName: info.DeviceName,
		Size: info.Size, Mapped: info.MappedBytes, Exclusive: admin.MappedUnknown, Filesystem: string(i.layers.Filesystem()),
		State: layerState(info.Stage), Mounted: info.Mounted, References: info.References,
		Busy: info.Busy,
	}
	uses.fill(&l)
	if info.Problem != nil {
		l.Problem = info.Problem.Error()
	}
	if info.Mounted {
		l.MountPoint = info.MountPoint
	}
	return l
}

func layerState(stage state.Stage) admin.LayerState {
	switch stage {
	case state.StagePreparing:
		return admin.LayerPreparing
	case state.StageApplying:
		return admin.LayerApplying
	default:
		return admin.LayerReady
	}
}

func (s source) Healthy(ctx context.Context) error {
	i, leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return i.layers.Ready(ctx)
}

func (s source) SetLogLevel(_ context.Context, level string) error {
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		return err
	}
	s.d.log.Logger.SetLevel(parsed)
	return nil
}
