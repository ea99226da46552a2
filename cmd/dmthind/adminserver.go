package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmthin/dmthin/internal/admin"
)

// adminServer is the admin socket, open from the first Init on: only then is it
// known where the state lies.
type adminServer struct {
	path   string
	file   os.FileInfo // of the socket
	cancel context.CancelFunc
	done   chan error
}

// serveAdmin opens the admin socket in the state directory, or where a flag
// says. A socket that is open there already stays, unless its folder was moved,
// as dmthin adopt does with that of a daemon that has nothing in it.
func (d *driver) serveAdmin(stateDir string) error {
	path := d.set.adminSocket
	if path == "" {
		path = filepath.Join(stateDir, "admin.sock")
	}
	d.mu.Lock()
	old := d.admin
	d.mu.Unlock()
	if old != nil && old.path == path && old.inPlace() {
		return nil
	}
	if err := old.stop(); err != nil {
		d.log.WithError(err).Warn("the admin socket did not close cleanly")
	}
	a, err := startAdmin(path, d)
	d.mu.Lock()
	d.admin = a
	d.mu.Unlock()
	return err
}

func startAdmin(path string, d *driver) (*adminServer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := admin.Listen(ctx, path)
	if err != nil {
		cancel()
		return nil, err
	}
	file, err := os.Lstat(path)
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("look at the admin socket: %w", err), listener.Close())
	}
	a := &adminServer{path: path, file: file, cancel: cancel, done: make(chan error, 1)}
	server := admin.NewServer(source{d}, d.log)
	server.Handle("/metrics", d.metrics.Handler())
	go func() { a.done <- server.Serve(ctx, listener) }()
	return a, nil
}

// inPlace tells whether the path still names the socket.
func (a *adminServer) inPlace() bool {
	now, err := os.Lstat(a.path)
	return err == nil && os.SameFile(a.file, now)
}

// stop closes the socket. Nil is an admin server that never started.
func (a *adminServer) stop() error {
	if a == nil {
		return nil
	}
	a.cancel()
	err := <-a.done
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
