package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SocketName is the admin socket's name in the state directory.
const SocketName = "admin.sock"

// ErrInUse is returned by Listen when somebody answers on the socket.
var ErrInUse = errors.New("another daemon answers there")

// socketMode lets root alone connect.
const socketMode = 0o600

// probeTimeout bounds the question whether a socket is stale. A connect to a
// unix socket doesn't wait unless the listener's queue is full.
const probeTimeout = time.Second

// Listen makes the unix socket path. Its directory must exist. A socket that a
// killed daemon left behind is replaced; one where somebody answers is not
// (ErrInUse), nor is a file of another type. The caller holds the state
// directory's lock, so that no second daemon comes between look and bind.
// Closing the listener removes the socket.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on admin socket %s: %w", path, err)
	}
	config := net.ListenConfig{Control: restrictMode}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on admin socket: %w", err)
	}
	return l, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("a file that is not a socket is in the way (%s); move it away", info.Mode().Type())
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(ErrInUse, c.Close())
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("ask who owns it: %w", err)
	}
}

// restrictMode sets the mode before bind: the kernel gives the new socket file
// the mode of the unbound socket, less the umask. A chmod afterwards would
// leave a moment in which everybody may connect.
func restrictMode(_, _ string, c syscall.RawConn) error {
	var chmodErr error
	if err := c.Control(func(fd uintptr) {
		chmodErr = unix.Fchmod(int(fd), socketMode)
	}); err != nil {
		return err
	}
	return chmodErr
}

// checkLength exists because the kernel's own answer is "invalid argument".
func checkLength(path string) error {
	const limit = len(unix.RawSockaddrUnix{}.Path) - 1
	if len(path) > limit {
		return fmt.Errorf("admin socket path %s has %d bytes, and the kernel takes %d; use a shorter state directory or --socket",
			path, len(path), limit)
	}
	return nil
}
