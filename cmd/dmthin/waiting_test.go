package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADaemonThatWaitsForDockerIsToldFromNone(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "0123", "dmthin.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	status := func() string {
		t.Helper()
		var out, errOut bytes.Buffer
		a := newApp(&out, &errOut, os.Getenv)
		a.daemons = []string{filepath.Join(dir, "dmthin.sock"), filepath.Join(dir, "*", "dmthin.sock")}
		if code := a.run(t.Context(), []string{"status", "--state", dir}); code != exitUnreachable {
			t.Errorf("exit %d", code)
		}
		requireOneLine(t, errOut.String())
		return errOut.String()
	}
	if got := status(); !strings.Contains(got, "is it running") {
		t.Errorf("without a daemon: %s", got)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := status(); !strings.Contains(got, "waits for Docker") || !strings.Contains(got, socket) || !strings.Contains(got, "--state") {
		t.Errorf("with one: %s", got)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := status(); !strings.Contains(got, "is it running") {
		t.Errorf("with a dead one: %s", got)
	}
}
