package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmthin/dmthin/internal/admin"
	"github.com/dmthin/dmthin/internal/state"
)

// stoppedDaemon is the state of a daemon that doesn't run, with two layers and a
// pool that is not on loop files.
func stoppedDaemon(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dmthin")
	s, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Identity(); err != nil {
		t.Fatal(err)
	}
	for id, r := range map[string]state.Record{
		"base": {DeviceID: 1, Size: 1 << 20, Initialized: true},
		"a":    {DeviceID: 2, Size: 1 << 20}, "b": {DeviceID: 3, Size: 1 << 20, Parent: "a"},
	} {
		if err := s.Put(id, r); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWithoutADaemonTheToolSaysWhatItCanAndCanNotDo(t *testing.T) {
	dir := stoppedDaemon(t)
	file := filepath.Join(t.TempDir(), "records.tar")
	var tar bytes.Buffer
	if err := admin.WriteBackup(&tar, admin.BackupManifest{PoolID: "00000000", Made: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, tar.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"check"}, exitRefused, "lvconvert --repair"},
		{[]string{"check", "--filesystems"}, exitUnreachable, "checked by the daemon"},
		{[]string{"repair", "--dry-run"}, exitRefused, "lvconvert --repair"},
		{[]string{"restore", file, "--dry-run"}, exitRefused, "of pool 00000000"},
		{[]string{"restore", os.DevNull}, exitFailure, "no backup"},
		{[]string{"remove", "b", "--yes"}, exitRefused, "--docker-root"},
		{[]string{"remove", "nobody", "--yes", "--force"}, exitNoLayer, "nobody"},
		{[]string{"remove", "a", "--yes", "--docker-root", "/"}, exitRefused, ""},
		{[]string{"gc"}, exitUnreachable, "dmthind"},
		{[]string{"trim", "--all"}, exitUnreachable, "dmthind"},
		{[]string{"backup", file + "2"}, exitUnreachable, "dmthind"},
	}
	for _, tt := range tests {
		got := dmthin(t, append(tt.args, "--state", dir)...)
		if got.code != tt.code || !strings.Contains(got.errOut, tt.says) || strings.Count(got.errOut, "\n") != 1 {
			t.Errorf("%v: exit %d, %q; want %d and %q", tt.args, got.code, got.errOut, tt.code, tt.says)
		}
	}
	if got := dmthin(t, "remove", "b", "--yes", "--force", "--state", dir); got.code != exitOK || !strings.Contains(got.out, "next start") {
		t.Errorf("remove: exit %d, %s%s", got.code, got.out, got.errOut)
	}
}

func TestWhileADaemonHoldsTheLockTheToolDoesNothingItself(t *testing.T) {
	dir := stoppedDaemon(t)
	s, err := state.Open(dir) // a daemon whose socket is elsewhere
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, args := range [][]string{{"check"}, {"repair", "--yes"}, {"remove", "b", "--yes", "--force"}} {
		if got := dmthin(t, append(args, "--state", dir)...); got.code != exitRefused || !strings.Contains(got.errOut, "dmthind runs") {
			t.Errorf("%v: exit %d, %s", args, got.code, got.errOut)
		}
	}
}

func TestASocketThatIsNamedIsNotReplacedByAStateDirectory(t *testing.T) {
	got := dmthin(t, "check", "--state", stoppedDaemon(t), "--socket", filepath.Join(t.TempDir(), "none.sock"))
	if got.code != exitUnreachable {
		t.Errorf("exit %d, %s", got.code, got.errOut)
	}
}
