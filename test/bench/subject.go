package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/docker/docker/daemon/graphdriver"
)

// The subjects' names, also in results.
const (
	dmthinLoop    = "dmthin"
	builtinLoop   = "devicemapper"
	overlay       = "overlay2"
	dmthinDirect  = "dmthin, direct-lvm"
	builtinDirect = "devicemapper, direct-lvm"
)

// subject is one driver on one storage.
type subject struct {
	graphdriver.Driver
	name string
	// start begins anew on the same storage, as a restarted dockerd would.
	start func(context.Context) (graphdriver.Driver, error)
	// stop ends what start began.
	stop func(context.Context) error
	// memory is what the driver's own process occupies, in bytes; nil where it has none.
	memory func() (int64, error)

	idle *subject // a second one of its kind, to see what the machine alone takes; or nil

	layers map[string]bool // that later workloads use again
	serial int
}

func (s *subject) open(ctx context.Context) error {
	d, err := s.start(ctx)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.Driver = d
	return nil
}

func (s *subject) close(ctx context.Context) error {
	if s.Driver == nil {
		return nil
	}
	s.Driver = nil
	return s.stop(ctx)
}

// newID is a layer ID that was not used before, of the length of Docker's.
func (s *subject) newID() string {
	s.serial++
	return fmt.Sprintf("%064x", s.serial)
}

// image makes a layer of the files once, and returns it ever after.
func (s *subject) image(ctx context.Context, id string, files func() io.Reader) (string, error) {
	if s.layers[id] {
		return id, nil
	}
	if err := s.Create(id, "", nil); err != nil {
		return "", err
	}
	if _, err := s.ApplyDiff(id, "", files()); err != nil {
		return "", err
	}
	s.layers[id] = true
	// Docker's driver can't snapshot a layer whose device is just going away.
	settle(ctx)
	return id, nil
}

// child makes a new layer on top of parent, as for a container.
func (s *subject) child(parent string) (string, error) {
	id := s.newID()
	return id, s.CreateReadWrite(id, parent, nil)
}

// within runs f in the mounted layer.
func (s *subject) within(id string, f func(dir string) error) error {
	dir, err := s.Get(id, "")
	if err != nil {
		return err
	}
	if err := f(dir); err != nil {
		_ = s.Put(id) // the first error counts
		return err
	}
	return s.Put(id)
}

// usedBlocks is how many data blocks of its pool are allocated; ok is false
// where there is no pool.
func (s *subject) usedBlocks(ctx context.Context) (used int64, ok bool, err error) {
	pool := ""
	for _, kv := range s.Status() {
		if kv[0] == "Pool Name" {
			pool = kv[1]
		}
	}
	if pool == "" {
		return 0, false, nil
	}
	out, err := exec.CommandContext(ctx, "dmsetup", "status", "--noflush", pool).CombinedOutput()
	if err != nil {
		return 0, false, fmt.Errorf("dmsetup status %s: %w: %s", pool, err, out)
	}
	fields := strings.Fields(string(out)) // start length thin-pool transaction metadata data …
	if len(fields) < 6 {
		return 0, false, fmt.Errorf("status of pool %s: %q", pool, out)
	}
	_, err = fmt.Sscanf(fields[5], "%d/", &used)
	return used, err == nil, err
}
