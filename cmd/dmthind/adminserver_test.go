package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dmthin/dmthin/internal/admin"
)

// dmthin adopt moves the folder of a daemon that dockerd started on nothing.
func TestTheAdminSocketComesBackAfterItsFolderWasMoved(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "dmthin")
	d := newDriver(settings{}, quietLog())
	for _, prepare := range []func() error{
		func() error { return os.Mkdir(dir, 0o700) },
		func() error { return nil },
		func() error {
			if err := os.Rename(dir, filepath.Join(top, "aside")); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		},
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		if err := d.serveAdmin(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.NewClient(filepath.Join(dir, admin.SocketName)).Version(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}
