package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketIsForRootOnlyWhateverTheUmask(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(t.TempDir(), "run", "docker", "plugins", "dmthin.sock")
	l, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != os.ModeSocket|0o600 {
		t.Errorf("mode %v", got)
	}
	_ = l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there after Close: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	l, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestSecondDaemonIsRefusedAndToldOfTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err = ListenUnix(path); !errors.Is(err, ErrSocketInUse) {
		t.Fatalf("two listeners on one socket: %v", err)
	}
	for _, want := range []string{path, fmt.Sprintf("process %d (", os.Getpid()), "stop it first"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q has no %q", err, want)
		}
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first daemon lost its socket: %v", err)
	}
	_ = conn.Close()
}

func TestOfManyDaemonsStartedAtOnceOneGetsTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var wg sync.WaitGroup
	got := make(chan net.Listener, 16)
	for range cap(got) {
		wg.Go(func() {
			if l, err := ListenUnix(path); err == nil {
				got <- l
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d daemons listen", len(got))
	}
	_ = (<-got).Close()
}

func TestWhatIsNotASocketIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	file, sub, link := filepath.Join(dir, "file"), filepath.Join(dir, "sub"), filepath.Join(dir, "link")
	for _, err := range []error{os.WriteFile(file, []byte("x"), 0o600), os.Mkdir(sub, 0o700), os.Symlink(file, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{file, sub, link} {
		if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}

func TestUnusableSocketPathIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                     "absolute",
		"dmthin.sock":                          "absolute",
		"@abstract":                            "absolute",
		"/tmp/" + strings.Repeat("x", 103):     "at most 107",
		filepath.Join(file, "s"):               "not a directory",
		filepath.Join("/proc/self/nosuch/dir"): "no such file",
	} {
		if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", path, err, want)
		}
	}
}

// activated starts this binary as systemd would start a daemon with sockets.
func activated(t *testing.T, sockets ...*os.File) (output func() string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), activatedChild+"=1", fmt.Sprint("LISTEN_FDS=", len(sockets)))
	cmd.ExtraFiles = sockets
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() string {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
}

func socketFile(t *testing.T, network, address string) (string, *os.File) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(); _ = l.Close() })
	return l.Addr().String(), f
}

func TestSocketFromSystemdIsUsed(t *testing.T) {
	path, f := socketFile(t, "unix", filepath.Join(t.TempDir(), "s"))
	output := activated(t, f)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := make([]byte, 5)
	if _, err := conn.Read(hello); err != nil || string(hello) != "hello" {
		t.Errorf("read %q, %v", hello, err)
	}
	if got := output(); got != "served "+path {
		t.Errorf("child: %s", got)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the child removed systemd's socket: %v", err)
	}
}

func TestWithoutSystemdThereIsNoSocket(t *testing.T) {
	if got := activated(t)(); got != "none" {
		t.Errorf("child: %s", got)
	}
}

func TestWrongSocketsFromSystemdAreRefused(t *testing.T) {
	_, first := socketFile(t, "unix", filepath.Join(t.TempDir(), "a"))
	_, second := socketFile(t, "unix", filepath.Join(t.TempDir(), "b"))
	_, tcp := socketFile(t, "tcp", "127.0.0.1:0")
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, sockets := range map[string][]*os.File{
		"two": {first, second}, "tcp": {tcp}, "not a socket": {file},
	} {
		if got := activated(t, sockets...)(); !strings.Contains(got, "want one unix stream socket") {
			t.Errorf("%s: child: %s", name, got)
		}
	}
}
