//go:build roottest

package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestADaemonThatCanNotStartOnAReadOnlyStateDoesNotWaitForDocker(t *testing.T) {
	state, socket := t.TempDir(), filepath.Join(t.TempDir(), "dmthin.sock")
	if err := unix.Mount("tmpfs", state, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(state, 0); err != nil {
			t.Error(err)
		}
	}()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out, errOut bytes.Buffer
	a := newApp(&out, &errOut, os.Getenv)
	a.daemons = []string{socket}
	a.run(t.Context(), []string{"status", "--state", state})
	if got := errOut.String(); !strings.Contains(got, "read-only") || strings.Contains(got, "waits for Docker") {
		t.Errorf("status says %s", got)
	}
}
