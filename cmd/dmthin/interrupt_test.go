package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a first Ctrl-C can't end, such as a read of a hung disk, a second does.
func TestASecondInterruptEndsWhatTheFirstCouldNot(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "daemon.json")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "adopt", "--config-file", fifo)
	cmd.Env = append(os.Environ(), asTool+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer holdForReader(t, fifo).Close()
	signals := 0
	for deadline := time.After(30 * time.Second); ; {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys() != syscall.WaitStatus(syscall.SIGINT) || signals < 2 {
				t.Errorf("after %d signals: %v", signals, err)
			}
			return
		case <-deadline:
			_ = cmd.Process.Kill()
			t.Fatalf("it goes on after %d signals", signals)
		case <-time.After(200 * time.Millisecond):
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Log(err)
			}
			signals++
		}
	}
}

// holdForReader waits until the file has a reader, who then waits for content.
func holdForReader(t *testing.T, fifo string) *os.File {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if !errors.Is(err, unix.ENXIO) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
