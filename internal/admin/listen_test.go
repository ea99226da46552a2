package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.ModeSocket|0o600; got != want {
		t.Errorf("mode of the socket = %v, want %v", got, want)
	}
}

func TestClosingTheListenerRemovesTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	l, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: Lstat = %v, want not exist", err)
	}
}

func TestSocketOfAKilledDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // SIGKILL removes nothing
	dead.Close()

	l, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatalf("Listen over a stale socket: %v", err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the new socket does not answer: %v", err)
	}
	c.Close()
}

func TestSecondDaemonLeavesTheFirstsSocketAlone(t *testing.T) {
	socket := serve(t, NewServer(&fakeSource{}, quietLog()))
	if l, err := Listen(t.Context(), socket); !errors.Is(err, ErrInUse) {
		if err == nil {
			l.Close()
		}
		t.Fatalf("second Listen = %v, want ErrInUse", err)
	}
	if _, err := NewClient(socket).Version(t.Context()); err != nil {
		t.Errorf("the first daemon answers no more: %v", err)
	}
}

func TestFileInTheSocketsPlaceIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(t.Context(), path); err == nil {
		l.Close()
		t.Fatal("Listen took the place of a regular file")
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "precious" {
		t.Errorf("file after Listen = %q, %v; want it untouched", got, err)
	}
}

func TestListenNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ name, path, want string }{
		{"no directory", filepath.Join(dir, "absent", SocketName), "no such file or directory"},
		{"too long", filepath.Join(dir, strings.Repeat("x", 120)), "the kernel takes 107"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Listen(t.Context(), tt.path)
			if err == nil {
				l.Close()
				t.Fatal("Listen succeeded")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("error %q does not hold %q and the path", err, tt.want)
			}
		})
	}
}

// Only a refused connection proves that nobody listens.
func TestSocketOfAnotherTypeIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if l, err := Listen(t.Context(), path); err == nil {
		l.Close()
		t.Fatal("Listen took the place of a datagram socket in use")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the datagram socket is gone: %v", err)
	}
}
