// Package machine boots an image under QEMU. It knows disks, shares and the
// accelerator; what runs inside is package session's business.
package machine

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/dmthin/dmthin/test/vm/image"
)

// Init is process 1 of the machine: the file "init.sh" of the share In.
//
//go:embed init.sh
var Init string

// Config says what to boot.
type Config struct {
	Image   image.Image
	Accel   Accel
	In      string   // shared read-only: /vm/in
	Out     string   // shared read-write: /vm/out
	Repo    string   // shared read-only under its own path
	Disks   []string // raw disk images, from /dev/vdb on; written to
	Console string   // file that gets the kernel's console
	// Terminal connects the second serial port to this process's terminal;
	// Ctrl-A X there ends the machine.
	Terminal bool
	CPUs     int
	Memory   string // in QEMU's notation
}

// Run boots the machine and returns when it has powered off or ctx ends, which
// cuts its power.
func Run(ctx context.Context, c Config) error {
	// The kernel sends Pdeathsig when the thread that started QEMU ends, so
	// that thread has to live as long as QEMU should.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	log, err := os.Create(c.Console + ".qemu")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", c.args()...)
	cmd.Stdout, cmd.Stderr = log, log
	// In the background a process may not read the terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: !c.Terminal}
	if c.Terminal {
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	}
	err = cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: run make deps", err)
	}
	// QEMU ends with status 0 when somebody terminates it, and says so.
	said, _ := os.ReadFile(log.Name())
	if err != nil || bytes.Contains(said, []byte("terminating on signal")) {
		return fmt.Errorf("qemu: %w: %s", cmp.Or(err, errEnded), bytes.TrimSpace(said))
	}
	return os.Remove(log.Name())
}

var errEnded = errors.New("ended from outside")
