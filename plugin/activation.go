package plugin

import (
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// ListenSystemd returns the unix socket that systemd has passed to this
// process, or nil if it has passed none. It takes the passed sockets for good:
// a second call finds none.
func ListenSystemd() (net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take over the socket from systemd: %w", err)
	}
	if len(listeners) == 0 {
		return nil, nil
	}
	if len(listeners) == 1 {
		if l, ok := listeners[0].(*net.UnixListener); ok {
			return l, nil
		}
	}
	for _, l := range listeners {
		if l != nil {
			_ = l.Close()
		}
	}
	return nil, fmt.Errorf("systemd passed %d sockets, want one unix stream socket; check ListenStream in the socket unit",
		len(listeners))
}
