package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxSocketPath is what fits into sockaddr_un with its final NUL.
	maxSocketPath = 107
	// dialTime is how long a live daemon may take to accept a connection; the
	// kernel accepts on its behalf unless the queue is full.
	dialTime = time.Second
	// lockTime is how long another process may be at the same directory.
	lockTime = 5 * time.Second
)

// ErrSocketInUse is what ListenUnix fails with when the socket is a live one.
var ErrSocketInUse = errors.New("the socket is in use")

// ListenUnix listens on a unix socket that only root can connect to, and makes
// the directory it lies in. A socket left over by a dead process is replaced;
// if something answers on it, ListenUnix fails and names the process.
func ListenUnix(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("listen on %q: want an absolute path", path)
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, a socket's has at most %d; choose a shorter one",
			path, len(path), maxSocketPath)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { // shared with the other plugins of the host
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	config := net.ListenConfig{Control: ownerOnly}
	return config.Listen(context.Background(), "unix", path)
}

// lockDirectory keeps two daemons that start together from each taking the
// other's fresh socket for a stale one.
func lockDirectory(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockTime); ; <-time.After(20 * time.Millisecond) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = d.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			_ = d.Close()
			return nil, fmt.Errorf("lock directory %s against other daemons: %w", dir, err)
		}
	}
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something that is not a socket; move it away")
	}
	conn, err := net.DialTimeout("unix", path, dialTime)
	if err == nil {
		other := peer(conn)
		_ = conn.Close()
		return fmt.Errorf("%w: %s answers there; stop it first, or choose another socket", ErrSocketInUse, other)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("find out whether another daemon answers there: %w", err)
	}
	return os.Remove(path)
}

// peer names the process that listens at the other end.
func peer(conn net.Conn) string {
	const unknown = "another process"
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return unknown
	}
	var cred *unix.Ucred
	ctrlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	// The PID is 0 for a process outside this PID namespace.
	if ctrlErr != nil || err != nil || cred.Pid == 0 {
		return unknown
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cred.Pid))
	if err != nil {
		return fmt.Sprintf("process %d", cred.Pid)
	}
	return fmt.Sprintf("process %d (%s)", cred.Pid, strings.TrimSpace(string(name)))
}

// ownerOnly sets the mode that Linux gives to the socket file when it binds,
// so that there is no moment in which others could connect.
func ownerOnly(_, _ string, raw syscall.RawConn) error {
	var err error
	if ctrlErr := raw.Control(func(fd uintptr) {
		err = unix.Fchmod(int(fd), 0o600)
	}); ctrlErr != nil {
		return ctrlErr
	}
	return err
}
