package dm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	c, err := newCookie("")
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
	c, err := newCookie("")
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
	c, err := newCookie("")
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
		ran, err := withUdev(cancelled, UdevWait{Wait: true}, func(cookie uint16) error {
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
	ran, err := withUdev(t.Context(), UdevWait{}, func(cookie uint16) error {
		if cookie != 0 {
			t.Errorf("cookie %#x", cookie)
		}
		return nil
	})
	if !ran || err != nil {
		t.Errorf("got %v, %v", ran, err)
	}
}

// sameKey finds the semaphore that udev's rules would.
func sameKey(base uint16) (semid uintptr, there bool) {
	const magic = 0x0D4D << 16
	semid, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(magic|uint32(base)), 1, 0)
	return semid, errno == 0
}

func TestASemaphoreThatAKilledProcessLeftIsRemoved(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "udev")
	if err := RemoveNoted(notes); err != nil {
		t.Fatal(err)
	}
	left, err := newCookie(notes)
	if err != nil {
		t.Fatal(err)
	}
	if err := RemoveNoted(notes); err != nil {
		t.Error(err)
	}
	if _, there := sameKey(left.base); there {
		t.Error("the semaphore is still there")
		left.destroy()
	}
	if entries, err := os.ReadDir(notes); err != nil || len(entries) > 0 {
		t.Errorf("notes are left: %v, %v", entries, err)
	}
}

// A note may be older than the boot, cut short, or of a semaphore that is gone and
// whose name another program has taken.
func TestASemaphoreOfSomebodyElseIsLeftAlone(t *testing.T) {
	notes := t.TempDir()
	c, err := newCookie(notes)
	if err != nil {
		t.Fatal(err)
	}
	defer c.destroy()
	boot, err := BootID()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"other boot":      fmt.Sprintf(noteFormat, "00000000-0000-0000-0000-000000000000", c.base, c.semid),
		"other semaphore": fmt.Sprintf(noteFormat, boot, c.base, c.semid+1<<15),
		"cut short":       boot + " 1",
		"empty":           "",
	} {
		if err := os.WriteFile(c.note, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RemoveNoted(notes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if semid, there := sameKey(c.base); !there || semid != uintptr(c.semid) {
			t.Fatalf("%s: the semaphore is gone", name)
		}
		if _, err := os.Stat(c.note); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the note is still there", name)
		}
	}
}

func TestANoteIsThereAsLongAsItsSemaphore(t *testing.T) {
	notes := t.TempDir()
	for range 3 {
		c, err := newCookie(notes)
		if err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(notes); err != nil || len(entries) != 1 {
			t.Errorf("%v, %v are there", entries, err)
		}
		c.destroy()
		if entries, err := os.ReadDir(notes); err != nil || len(entries) != 0 {
			t.Errorf("%v, %v are left", entries, err)
		}
	}
}
