package dm

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// operate does to the semaphore what udev's `dmsetup udevcomplete` does.
func (c *cookie) operate(t *testing.T, by int16) {
	t.Helper()
	op := struct{ num, op, flags int16 }{0, by, 0}
	if _, _, errno := unix.Syscall(unix.SYS_SEMOP, uintptr(c.semid), uintptr(unsafe.Pointer(&op)), 1); errno != 0 {
		t.Fatal(errno)
	}
}

func TestWaitEndsWhenUdevReports(t *testing.T) {
	c, err := newCookie()
	if err != nil {
		t.Fatal(err)
	}
	defer c.destroy()
	go func() {
		time.Sleep(2 * udevPoll)
		c.operate(t, -1)
	}()
	if err := c.wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	c, err := newCookie()
	if err != nil {
		t.Fatal(err)
	}
	defer c.destroy()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = c.wait(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUdevTimeout) {
		t.Errorf("got %v", err)
	}
	if waited := time.Since(start); waited > udevTimeout/2 {
		t.Errorf("took %v", waited)
	}
}

// An operator frees hung waiters with `dmsetup udevcomplete_all`.
func TestWaitEndsWhenSemaphoreIsRemoved(t *testing.T) {
	c, err := newCookie()
	if err != nil {
		t.Fatal(err)
	}
	c.destroy()
	if err := c.wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoSemaphoreIsLeft(t *testing.T) {
	failure := errors.New("failed call")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		err error
		ran bool
	}{"call failed": {failure, false}, "wait failed": {nil, true}} {
		var base uint16
		ran, err := withUdev(cancelled, true, func(cookie uint16) error {
			base = cookie
			return tt.err
		})
		if ran != tt.ran || err == nil {
			t.Errorf("%s: got %v, %v", name, ran, err)
		}
		const key = 0x0D4D << 16
		if id, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(key|uint32(base)), 1, 0); errno != unix.ENOENT {
			t.Errorf("%s: semaphore %d is left (%v)", name, id, errno)
		}
	}
}

func TestWithoutWaitingThereIsNoCookie(t *testing.T) {
	ran, err := withUdev(t.Context(), false, func(cookie uint16) error {
		if cookie != 0 {
			t.Errorf("cookie %#x", cookie)
		}
		return nil
	})
	if !ran || err != nil {
		t.Errorf("got %v, %v", ran, err)
	}
}
