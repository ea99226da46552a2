package admin

import "context"

// Source is the daemon as the admin socket sees it. Methods run concurrently
// with each other and with all other work of the daemon.
type Source interface {
	Viewer
	Controller
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
