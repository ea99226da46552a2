package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmthin/dmthin/internal/admin"
)

// daemonSockets are where dmthind listens for dockerd, as host daemon and as
// managed plugin. Only dockerd's first Init says where its state is, and with
// it the admin socket.
var daemonSockets = []string{"/run/docker/plugins/dmthin.sock", "/run/docker/plugins/*/dmthin.sock"}

// whyUnreachable tells a daemon that docker doesn't use yet from one that isn't
// there.
func (a *app) whyUnreachable(e *admin.UnreachableError) string {
	if e.OnReadOnly() || !errors.Is(e.Err, unix.ENOENT) && !errors.Is(e.Err, unix.ECONNREFUSED) {
		return e.Error()
	}
	socket := a.findDaemon()
	if socket == "" {
		return e.Error()
	}
	return fmt.Sprintf("no dmthind is at work at %s: one runs (on %s) and waits for Docker; start Docker with the storage driver dmthin (docker info names the one it has), or, if its data-root is another, give --state DATA-ROOT/dmthin",
		e.Path, socket)
}

// findDaemon returns the first socket that somebody listens on.
func (a *app) findDaemon() string {
	for _, pattern := range a.daemons {
		sockets, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, socket := range sockets {
			if conn, err := net.DialTimeout("unix", socket, time.Second); err == nil {
				conn.Close()
				return socket
			}
		}
	}
	return ""
}
