//go:build e2e

package e2e

import (
	"net"
	"testing"
	"time"
)

// hostDaemon is dmthind run as the systemd unit runs it: without flags.
type hostDaemon struct {
	proc *process
}

// hostSocket is where a host daemon listens and dockerd finds it.
const hostSocket = "/run/docker/plugins/dmthin.sock"

// startHostDaemon returns once the daemon listens. It is killed at the test's
// end if it still runs then.
func startHostDaemon(tb testing.TB) *hostDaemon {
	tb.Helper()
	h := &hostDaemon{}
	h.killAtEnd(tb)
	h.start(tb)
	return h
}

// killAtEnd kills the daemon if it still runs at the test's end.
func (h *hostDaemon) killAtEnd(tb testing.TB) {
	tb.Cleanup(func() {
		if h.proc != nil && h.proc.running() {
			h.proc.kill(tb)
		}
	})
}

// start runs the daemon, for the first time or again.
func (h *hostDaemon) start(tb testing.TB) {
	tb.Helper()
	h.proc = startProcess(tb, "dmthind", []string{"DMTHIN_LOG_LEVEL=debug"}, env.dmthind)
	h.waitListening(tb)
}

func (h *hostDaemon) waitListening(tb testing.TB) {
	tb.Helper()
	// It listens before it does any pool work: this is process start alone.
	eventually(tb, 30*time.Second, "dmthind listens", func() bool {
		if !h.proc.running() {
			tb.Fatalf("dmthind ended: %v\n%s", h.proc.err, h.proc.logTail())
		}
		conn, err := net.Dial("unix", hostSocket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}
