package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Root could replace /dev/null.
func TestABackupTakesThePlaceOfFilesOnly(t *testing.T) {
	d := readyDaemon()
	d.backup = map[string][]byte{"identity.json": []byte("{}"), "metadata/base": []byte("{}")}
	state, dir := d.start(t), t.TempDir()
	pipe, link, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, dir} {
		if got := dmthin(t, "backup", name, "--state", state); got.code != exitFailure || !strings.Contains(got.errOut, "no regular file") {
			t.Errorf("%s: exit %d, %s", name, got.code, got.errOut)
		}
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if got := dmthin(t, "backup", link, "--state", state); got.code != exitOK {
		t.Errorf("by a link: exit %d, %s", got.code, got.errOut)
	}
	if info, err := os.Lstat(file); err != nil || info.Size() == 0 {
		t.Errorf("the link's file is %v, %v", info, err)
	}
}
