package loop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Between LOOP_CTL_GET_FREE and the attach another process can take the
	// device. Each round lost means that somebody else got one, so the bound is
	// only reached where hundreds are attached in the same moment.
	maxAttempts = 128
	// devtmpfs makes the node of a new loop device before GET_FREE returns; in
	// a container /dev is filled by somebody else, or by nobody.
	nodeWait = time.Second
	nodePoll = 10 * time.Millisecond

	// Left to itself the kernel (6.15 and later) takes the sector size of the
	// disk below the file for direct I/O, and a filesystem made on 512-byte
	// sectors would no longer mount after the state moved to a 4K disk.
	sectorSize = 512
)

// driver is the kernel's loop driver as seen through one /dev.
type driver struct {
	dev       string
	configure func(fd int, config *unix.LoopConfig) error
}

var host = driver{dev: "/dev", configure: unix.IoctlLoopConfigure}

// Attach gives the file a free loop device, read-write, autoclear, and with
// direct I/O where the file's filesystem can do that. The file must be open
// for reading and writing; the kernel keeps its own reference, so the caller
// may close it afterwards. See Device for how long to hold the result.
func Attach(ctx context.Context, file *os.File) (*Device, error) {
	return host.attach(ctx, file)
}

func (k driver) attach(ctx context.Context, file *os.File) (*Device, error) {
	fail := func(err error, hint string) error {
		return &Error{Op: "attach to a loop device", Target: file.Name(), Err: err, Hint: hint}
	}
	if mode, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0); err != nil || mode&unix.O_ACCMODE != unix.O_RDWR {
		// The kernel would quietly make the device read-only.
		return nil, fail(unix.EBADF, "the file is not open for reading and writing")
	}
	control, err := os.OpenFile(filepath.Join(k.dev, "loop-control"), os.O_RDWR, 0)
	if err != nil {
		return nil, fail(err, "load the kernel module loop")
	}
	defer control.Close()

	for range maxAttempts {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fail(fmt.Errorf("get a free loop device: %w", err), "")
		}
		d, err := k.openNode(ctx, n)
		if errors.Is(err, ErrNoNode) {
			return nil, fail(err, "a container must see the host's /dev")
		}
		if err == nil {
			err = k.bind(d, file)
			if err == nil {
				return d, nil
			}
			_ = d.Close()
		}
		if !raced(err) {
			return nil, fail(err, "")
		}
		if ctx.Err() != nil {
			return nil, fail(context.Cause(ctx), "")
		}
	}
	return nil, fail(ErrNoneFree, "list them with losetup -a")
}

// raced reports whether the error says that another process was quicker: EBUSY
// has a file already, ENXIO is being detached, ENODEV was removed.
func raced(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV)
}

// openNode opens loop device n, waiting a moment for its node to appear.
func (k driver) openNode(ctx context.Context, n int) (*Device, error) {
	path := filepath.Join(k.dev, fmt.Sprintf("loop%d", n))
	deadline := time.Now().Add(nodeWait)
	for {
		d, err := openDevice(path)
		if !errors.Is(err, os.ErrNotExist) {
			return d, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s: %w", path, ErrNoNode)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(nodePoll):
		}
	}
}

// bind attaches the file to an open, free device.
func (k driver) bind(d *Device, file *os.File) error {
	config := unix.LoopConfig{Fd: uint32(file.Fd()), Size: sectorSize}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file.Name())

	err := k.configure(d.fd(), &config)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY), errors.Is(err, unix.ENOSYS):
		return bindInSteps(d, file, config.Info) // Linux before 5.8
	case err != nil:
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	return nil
}

// bindInSteps does what LOOP_CONFIGURE does at once. Until the second step the
// device is attached without autoclear, so it is taken back on failure.
func bindInSteps(d *Device, file *os.File, info unix.LoopInfo64) error {
	if err := unix.IoctlSetInt(d.fd(), unix.LOOP_SET_FD, int(file.Fd())); err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if err := unix.IoctlLoopSetStatus64(d.fd(), &info); err != nil {
		_ = d.Detach() // the error that matters is the first
		return fmt.Errorf("%s: set status: %w", d.Path, err)
	}
	// Refused where the filesystem has no direct I/O; buffered works everywhere.
	_ = unix.IoctlSetInt(d.fd(), unix.LOOP_SET_DIRECT_IO, 1)
	return nil
}
