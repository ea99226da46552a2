package plugin

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// activatedChild, in the environment, makes this binary play a daemon that
// systemd has started with sockets.
const activatedChild = "DMTHIN_TEST_ACTIVATED_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(activatedChild) != "" {
		playActivated()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func playActivated() {
	// systemd forks before it knows the PID; exec.Cmd can't set it either.
	_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	l, err := ListenSystemd()
	switch {
	case err != nil:
		fmt.Print("error: ", err)
	case l == nil:
		fmt.Print("none")
	default:
		conn, err := l.Accept()
		if err != nil {
			fmt.Print("accept: ", err)
			return
		}
		_, _ = conn.Write([]byte("hello"))
		_ = conn.Close()
		fmt.Print("served ", l.Addr())
	}
}
