//go:build roottest

package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUnmountOfAnIdleMount(t *testing.T) {
	dir := t.TempDir()
	if err := Mount(t.Context(), formatted(t, Ext4, 64*mib), dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	if detached, err := Unmount(t.Context(), dir); detached || err != nil {
		t.Errorf("Unmount() = %v, %v; want a plain unmount", detached, err)
	}
	if mountLine(t, dir) != nil {
		t.Error("it is still mounted")
	}
}

func TestUnmountOfNothingSucceeds(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if detached, err := Unmount(t.Context(), path); detached || err != nil {
			t.Errorf("Unmount(%s) = %v, %v", path, detached, err)
		}
	}
}

func TestUnmountWaitsForAShortUser(t *testing.T) {
	dir := t.TempDir()
	if err := Mount(t.Context(), formatted(t, Ext4, 64*mib), dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	user, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(busyPause*3/2, func() { user.Close() })
	if detached, err := Unmount(t.Context(), dir); detached || err != nil {
		t.Errorf("Unmount() = %v, %v; want it to wait", detached, err)
	}
}

func TestUnmountDetachesABusyMount(t *testing.T) {
	dir := t.TempDir()
	if err := Mount(t.Context(), formatted(t, Ext4, 64*mib), dir, Ext4, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	user, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	detached, err := Unmount(t.Context(), dir)
	if !detached || err != nil {
		t.Errorf("Unmount() = %v, %v; want detached", detached, err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("a busy mount held the caller for %v", took)
	}
	if mountLine(t, dir) != nil {
		t.Error("it is still mounted")
	}
	if _, err := user.WriteString("the user goes on"); err != nil {
		t.Errorf("the user of a detached mount: %v", err)
	}
	user.Close()
}

func TestUnmountOfABusyMountStopsWhenCancelled(t *testing.T) {
	dir := mounted(t, formatted(t, Ext4, 64*mib), Ext4, MountOptions{})
	user, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if detached, err := Unmount(ctx, dir); detached || !errors.Is(err, context.Canceled) {
		t.Errorf("Unmount() = %v, %v; want context.Canceled", detached, err)
	}
	if mountLine(t, dir) == nil {
		t.Error("it was unmounted")
	}
}

func TestUnmountDoesNotFollowALink(t *testing.T) {
	dir := mounted(t, formatted(t, Ext4, 64*mib), Ext4, MountOptions{})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	_, err := Unmount(t.Context(), link)
	if err != nil && !errors.Is(err, unix.ENOTDIR) {
		t.Error(err)
	}
	if mountLine(t, dir) == nil {
		t.Error("the mount behind a link was unmounted")
	}
}
