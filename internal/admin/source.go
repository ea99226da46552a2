package admin

import (
	"context"
	"io"
)

// Source is the daemon as the admin socket sees it. Methods run concurrently
// with each other and with all other work of the daemon.
type Source interface {
	Viewer
	Controller
	Maintainer
	Keeper
}

// Viewer answers questions. It changes nothing and waits for no layer's work.
type Viewer interface {
	Version() Version
	Status(ctx context.Context) (Status, error)
	// Layers fails with ErrNotReady where there is no pool yet.
	Layers(ctx context.Context) ([]Layer, error)
	// Layer takes a whole ID of any form and fails with ErrNoLayer or
	// ErrNotReady.
	Layer(ctx context.Context, id string) (Layer, error)
	// Healthy returns nil when layers can be made and mounted, or else why not.
	Healthy(ctx context.Context) error
}

// Controller changes the daemon. Only root reaches it.
type Controller interface {
	// SetLogLevel takes a level that logrus.ParseLevel accepts.
	SetLogLevel(ctx context.Context, level string) error
}

// Progress is told, in a few words, what long work is at. It must be called by
// one goroutine at a time.
type Progress func(message string)

// Maintainer does work on the whole pool. It may take hours, ends early with
// the context, and fails with ErrNotReady where there is no pool yet. Only root
// reaches it.
type Maintainer interface {
	Check(ctx context.Context, req CheckRequest, report Progress) (CheckReport, error)
	// Collect deletes garbage. A layer that can't go is reported as kept and
	// is no error.
	Collect(ctx context.Context, req CollectRequest, report Progress) (CollectReport, error)
	Trim(ctx context.Context, req TrimRequest, report Progress) (TrimReport, error)
	// Resize fails with ErrBadRequest for a smaller size than now, and with
	// ErrRefused where the pool's devices are not the daemon's to resize.
	Resize(ctx context.Context, req ResizeRequest, report Progress) (ResizeReport, error)
	// Backup writes the records as an archive (see BackupManifest), as of one
	// transaction. What it returns before its first write is the answer.
	Backup(ctx context.Context, w io.Writer) error
}

// Keeper does an operator's work on single layers. Its IDs are whole ones. It
// fails with ErrNoLayer, ErrNotReady or ErrRefused. Only root reaches it.
type Keeper interface {
	// Snapshot makes a layer that Collect leaves alone.
	Snapshot(ctx context.Context, req SnapshotRequest) (Layer, error)
	// Remove deletes a layer that is not mounted. One that other layers stem
	// from goes only with force.
	Remove(ctx context.Context, id string, force bool) error
	// Hold keeps a layer active until Release. Each Hold wants one Release.
	Hold(ctx context.Context, id string, req HoldRequest) (Held, error)
	Release(ctx context.Context, id string) error
}
