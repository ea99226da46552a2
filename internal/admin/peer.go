package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// peer is who opened a connection; err where the kernel didn't say.
type peer struct {
	uid uint32
	err error
}

// withPeer is an http.Server's ConnContext. The kernel notes the credentials at
// connect, so that a socket handed to another process keeps its opener's.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid, err := peerUID(c)
	return context.WithValue(ctx, peerKey{}, peer{uid: uid, err: err})
}

func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return cred.Uid, nil
}

// requireOwner lets root in, and the user the daemon runs as, who could change
// the daemon anyway. The socket's mode keeps others out already; this holds
// when somebody loosens it so that monitoring can read.
func requireOwner(ctx context.Context) error {
	p, ok := ctx.Value(peerKey{}).(peer)
	if !ok {
		return fmt.Errorf("%w: the peer is unknown", ErrForbidden)
	}
	if p.err != nil {
		return fmt.Errorf("%w: reading the peer's credentials: %w", ErrForbidden, p.err)
	}
	if p.uid == 0 || int(p.uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("%w: not uid %d", ErrForbidden, p.uid)
}
