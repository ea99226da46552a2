package plugin

import (
	"context"
	"io"
)

// Driver is what the protocol drives. dockerd sends calls on many connections
// at once, so every method may run concurrently with every other, Init
// included. A context is cancelled when dockerd closes the connection.
//
// Errors reach the docker CLI as they are: one line, lower case. Before an Init
// has succeeded, calls that need the store return ErrNotInitialised.
//
// IDs have been checked to be one component of a path, of at most MaxIDLength
// bytes; nothing else is known of them.
type Driver interface {
	// Init prepares the store. dockerd sends it at each of its starts and only
	// then: the same process may see it again, and a process restarted after a
	// crash never sees it.
	Init(ctx context.Context, req InitRequest) error

	// Create makes a layer on top of parent; "" is the base device.
	Create(ctx context.Context, req CreateRequest) error
	// Remove deletes a layer, mounted or not. An unknown ID is a success:
	// dockerd can't tell error kinds apart and would retry for ever.
	Remove(ctx context.Context, id string) error
	// Get mounts a layer and returns its directory, the same on every call.
	Get(ctx context.Context, id, mountLabel string) (dir string, err error)
	// Put undoes one Get. One too many is a success.
	Put(ctx context.Context, id string) error
	Exists(ctx context.Context, id string) (bool, error)

	// Status returns the rows of `docker info`, in order.
	Status(ctx context.Context) ([][2]string, error)
	// Metadata returns the GraphDriver data of `docker inspect`.
	Metadata(ctx context.Context, id string) (map[string]string, error)
	// Cleanup unmounts everything before dockerd exits. dockerd allows all its
	// shutdown work 15 s by default.
	Cleanup(ctx context.Context) error

	// Diff writes the difference between a layer and its parent to w as an
	// uncompressed tar; with parent "" the whole layer. An error returned
	// within the first 64 KiB reaches the user as a text; a later one breaks the
	// connection, because dockerd takes any stream that ends cleanly for whole.
	// dockerd sees the end of the stream when Diff returns, not before.
	Diff(ctx context.Context, id, parent string, w io.Writer) error
	Changes(ctx context.Context, id, parent string) ([]Change, error)
	// ApplyDiff unpacks an uncompressed tar into a layer and returns the
	// unpacked size in bytes. A read error from tar must fail it: dockerd has
	// broken off. Its retries break off at once, and it removes the layer in
	// the end. Zero bytes are an empty layer, which some old images have.
	ApplyDiff(ctx context.Context, id, parent string, tar io.Reader) (size int64, err error)
	DiffSize(ctx context.Context, id, parent string) (size int64, err error)
}

// InitRequest carries dockerd's arguments, unchanged.
type InitRequest struct {
	Home    string   // directory for mount points, as this process sees it
	Options []string // --storage-opt key=value, in order
	UIDMaps []IDMap  // empty without userns-remap
	GIDMaps []IDMap
}

// IDMap is one range of a user-namespace map.
type IDMap struct {
	ContainerID int `json:"container_id"`
	HostID      int `json:"host_id"`
	Size        int `json:"size"`
}

// CreateRequest describes a new layer.
type CreateRequest struct {
	ID         string
	Parent     string
	MountLabel string            // SELinux label; dockerd sends it for init layers only
	StorageOpt map[string]string // docker run --storage-opt
	ReadWrite  bool              // true for CreateReadWrite
}

// Kind says what happened to a path. The numbers are the wire's.
type Kind int

// What Changes reports.
const (
	Modified Kind = iota
	Added
	Deleted
)

// Change is one difference between a layer and its parent.
type Change struct {
	Path string // absolute within the layer
	Kind Kind
}
