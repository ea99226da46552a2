//go:build failpoint

package main

import (
	"context"
	"io"

	"github.com/moby/sys/user"

	"github.com/dmthin/dmthin/internal/diff"
	"github.com/dmthin/dmthin/internal/failpoint"
	"github.com/dmthin/dmthin/internal/filesystem"
	"github.com/dmthin/dmthin/internal/layer"
	"github.com/dmthin/dmthin/internal/state"
	"github.com/dmthin/dmthin/internal/thinpool"
)

// withFailpoints puts failpoints around the calls that the layer store makes:
// before and after each step that changes anything, named after the interface
// and the method.
func withFailpoints(s layer.System, records *state.Store) layer.System {
	s.Pool = &failingPool{Pool: s.Pool, records: records}
	s.Devices = failingDevices{s.Devices}
	s.Freezer = failingFreezer{s.Freezer}
	s.Mounter = failingMounter{s.Mounter}
	s.Formatter = failingFormatter{s.Formatter}
	s.Resizer = failingResizer{s.Resizer}
	s.Archiver = failingArchiver{s.Archiver}
	return s
}

// around is a step with a failpoint at both ends.
func around(step string, do func() error) error {
	if err := failpoint.Hit(step, "before"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return failpoint.Hit(step, "after")
}

type failingDevices struct{ layer.Devices }

func (f failingDevices) Activate(ctx context.Context, t thinpool.Thin, sync bool) (d thinpool.Device, err error) {
	err = around("activate", func() error { d, err = f.Devices.Activate(ctx, t, sync); return err })
	return d, err
}

func (f failingDevices) Deactivate(ctx context.Context, name string) error {
	return around("deactivate", func() error { return f.Devices.Deactivate(ctx, name) })
}

func (f failingDevices) Discard(ctx context.Context, t thinpool.Thin, d thinpool.Device) error {
	return around("discard", func() error { return f.Devices.Discard(ctx, t, d) })
}

type failingFreezer struct{ layer.Freezer }

func (f failingFreezer) Suspend(ctx context.Context, name string) error {
	return around("suspend", func() error { return f.Freezer.Suspend(ctx, name) })
}

func (f failingFreezer) Resume(ctx context.Context, name string) error {
	return around("resume", func() error { return f.Freezer.Resume(ctx, name) })
}

type failingMounter struct{ layer.Mounter }

func (f failingMounter) Mount(ctx context.Context, device, dir string, t filesystem.Type, o filesystem.MountOptions) error {
	return around("mount", func() error { return f.Mounter.Mount(ctx, device, dir, t, o) })
}

func (f failingMounter) Unmount(ctx context.Context, dir string) (detached bool, err error) {
	err = around("unmount", func() error { detached, err = f.Mounter.Unmount(ctx, dir); return err })
	return detached, err
}

func (f failingMounter) Sync(dir string) error {
	if failpoint.Planted("unsynced-layer") {
		return nil
	}
	return around("synclayer", func() error { return f.Mounter.Sync(dir) })
}

type failingFormatter struct{ layer.Formatter }

func (f failingFormatter) Format(ctx context.Context, device string, t filesystem.Type, args []string) error {
	return around("format", func() error { return f.Formatter.Format(ctx, device, t, args) })
}

func (f failingFormatter) PrepareBase(ctx context.Context, device string, t filesystem.Type, uid, gid int) error {
	return around("preparebase", func() error { return f.Formatter.PrepareBase(ctx, device, t, uid, gid) })
}

type failingResizer struct{ layer.Resizer }

func (f failingResizer) Grow(ctx context.Context, device, dir string, t filesystem.Type) error {
	return around("grow", func() error { return f.Resizer.Grow(ctx, device, dir, t) })
}

func (f failingResizer) Shrink(ctx context.Context, device string, t filesystem.Type, size int64) error {
	return around("shrink", func() error { return f.Resizer.Shrink(ctx, device, t, size) })
}

type failingArchiver struct{ layer.Archiver }

func (f failingArchiver) Apply(ctx context.Context, dir string, tar io.Reader, ids user.IdentityMapping) (done diff.Unpacked, err error) {
	err = around("apply", func() error { done, err = f.Archiver.Apply(ctx, dir, tar, ids); return err })
	return done, err
}
